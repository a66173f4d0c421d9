"""The experiments behind docs/results.md; each is one command, named there."""
