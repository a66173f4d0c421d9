"""Where a run keeps its files."""

from pathlib import Path

from transformers import TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

__all__ = ["checkpoint", "output_dir"]


def output_dir(args: TrainingArguments) -> Path:
    return Path(args.output_dir or ".")


def checkpoint(args: TrainingArguments, state: TrainerState) -> Path:
    """The directory of the checkpoint that is written at this step."""
    return output_dir(args) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
