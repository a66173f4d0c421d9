"""What a training step cost: waiting for the executor, and generated tokens."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trainer_client.training.places import checkpoint

__all__ = ["FILE_NAME", "StepCosts"]

FILE_NAME = "generated_tokens.json"

Note = Callable[[str, float], None]


class StepCosts(TrainerCallback):
    """Notes, at the end of each optimizer step, what it cost.

    Waiting is that of this process, tokens are those of all. The tokens so far are kept with each
    checkpoint.

    Args:
        note: logs a metric of training.
        settle: called at the end of a step, to wait for what has to be known by then.
    """

    def __init__(self, note: Note, settle: Callable[[], None]) -> None:
        self._note = note
        self._settle = settle
        self._began = 0.0
        self._waited = 0.0
        self._fresh = 0
        self._total = 0

    def waited(self, seconds: float) -> None:
        """Count time in which this process did nothing but wait for the executor."""
        self._waited += seconds

    def generated(self, tokens: Counter[str]) -> None:
        """Count the tokens of a generation, by task."""
        for task, count in sorted(tokens.items()):
            self._note(f"tokens/{task}", count)
        self._fresh += tokens.total()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        path = checkpoint(args, state) / FILE_NAME
        if state.global_step > 0 and path.is_file():
            self._total = json.loads(path.read_text(encoding="utf-8"))

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._began = time.monotonic()
        self._waited = 0.0
        self._fresh = 0

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._settle()
        seconds = time.monotonic() - self._began
        self._total += self._fresh
        self._note("executor/wait_seconds", self._waited)
        self._note("executor/wait_share", self._waited / seconds)
        self._note("tokens/per_second", self._fresh / seconds)
        self._note("tokens/generated", self._total)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            path = checkpoint(args, state) / FILE_NAME
            path.write_text(json.dumps(self._total), encoding="utf-8")
