"""Results as text for a terminal, and as a region of docs/performance.md."""
