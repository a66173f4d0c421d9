"""What happens beside the training loop: the log for people, the log for programs, the pool."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from rich.console import Console
from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from trainer_client.alignment.objective import Alignment
from trainer_client.config import ConfigError
from trainer_client.step_lines import keep_steps
from trainer_client.training.places import checkpoint, output_dir

__all__ = ["METRICS_FILE", "MetricsFile", "PoolCheckpoint", "Progress", "StopOnInterrupt"]

METRICS_FILE = "metrics.jsonl"


class MetricsFile(TrainerCallback):
    """Append every log to ``metrics.jsonl`` in the output directory, one JSON object a line.

    On resume, lines of steps after the checkpoint are removed: they are about to be done again.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            keep_steps(output_dir(args) / METRICS_FILE, lambda step: step <= state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if not state.is_world_process_zero or not logs:
            return
        path = output_dir(args) / METRICS_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, **logs}) + "\n")


_COLUMNS = (
    ("code/pass_rate", "pass", "{:.3f}"),
    ("code/reward", "code reward", "{:.3f}"),
    ("alignment/reward", "alignment reward", "{:.3f}"),
    ("alignment/exact", "exact", "{:.3f}"),
    ("alignment/groups", "questions", "{:.0f}"),
    ("alignment/pool", "pool", "{:.0f}"),
    ("executor/latency_seconds", "executor", "{:.2f} s"),
    ("executor/wait_share", "waiting", "{:.0%}"),
    ("executor/failures", "failures", "{:.0f}"),
    ("tokens/per_second", "tokens/s", "{:,.0f}"),
    ("step_time", "step", "{:.1f} s"),
)


class Progress(TrainerCallback):
    """One line on the terminal for each log: both objectives, the executor, the time left."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._began = (0.0, 0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._began = (time.monotonic(), state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if not state.is_world_process_zero or not logs:
            return
        prefix = "eval_" if any(name.startswith("eval_") for name in logs) else ""
        shown = [
            f"[dim]{label}[/] {form.format(value)}"
            for name, label, form in _COLUMNS
            if (value := logs.get(prefix + name)) is not None
        ]
        if shown and not prefix and (left := self._left(state)):
            shown.append(f"[dim]left[/] {left}")
        if shown:
            head = f"[bold]{prefix.rstrip('_') or 'step'} {state.global_step}/{state.max_steps}[/]"
            self._console.print(head, *shown, sep="  ", soft_wrap=True)

    def _left(self, state: TrainerState) -> str:
        """Time left at the pace of this run so far, evaluations and checkpoints included."""
        began, first = self._began
        done, left = state.global_step - first, state.max_steps - state.global_step
        return _duration((time.monotonic() - began) / done * left) if done > 0 and left else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


class PoolCheckpoint(TrainerCallback):
    """Keep the alignment pool with each checkpoint, and take it from there on resume."""

    def __init__(self, alignment: Alignment, resume_from: Path | None = None) -> None:
        self._pool = alignment.pool
        self._store = alignment.store
        self._resume_from = resume_from

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.global_step > 0:
            try:
                self._pool.restore(self._resume_from or checkpoint(args, state))
            except ValueError as error:
                raise ConfigError(f"resume is true, but {error}") from None
        if self._store is not None and state.is_world_process_zero:
            self._store.take_back(state.global_step)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            self._pool.save(checkpoint(args, state))


_STDERR = 2
_ON_INTERRUPT = b"finishing this step, then a checkpoint; once more to stop at once\n"


class StopOnInterrupt(TrainerCallback):
    """Ctrl-C, or SIGTERM from a cluster's scheduler, ends the run after the current step with a
    checkpoint; the second time at once."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.interrupted = False
        """Once all processes know; ``_noted`` as soon as this one does."""
        self._noted = False
        self._previous: dict[int, Any] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        # A signal may reach one process alone, or others a step later: all stop together.
        noted = torch.tensor([int(self._noted)], device=self._accelerator.device)
        self.interrupted = bool(self._accelerator.gather(noted).any())
        if self.interrupted:
            control.should_save = control.should_training_stop = True

    def restore(self) -> None:
        """Give the signals back; to be called however the training ended."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = True
        if self._accelerator.is_main_process:
            with contextlib.suppress(OSError):
                os.write(_STDERR, _ON_INTERRUPT)  # not print: it may have interrupted one
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.default_int_handler)
