"""The performance targets as cases, a module for each kind of work; `catalogue` has them all."""
