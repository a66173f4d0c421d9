"""The trainer: both objectives in one loop on TRL, with checkpoints and what a run leaves."""
