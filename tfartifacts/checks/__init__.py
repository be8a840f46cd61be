"""What is wrong with an artifact, and what it could do: all of it, not the first.

findings       a finding, its severity, and how an error becomes one
manifests      files against the sizes and sums of a manifest
states         a `checkpoint` state file against the checkpoints there are
state_repair   what it should say

Nothing here raises for what a file holds: a fault is a finding, and the next thing is looked at.
"""
