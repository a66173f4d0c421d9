"""``samples.jsonl``: what the policy wrote and answered, now and then, to be looked at.

Each line is one row of a rollout batch, drawn blindly: a program with its verdict, or a question
about a failed program with the answers given and the right ones.
"""

import json
import random
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_serializer
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from executor_api.wire import TestCase
from trainer_client.alignment.questions import Rollout
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.config import LoggingConfig
from trainer_client.data import rows
from trainer_client.rewards import Scored
from trainer_client.step_lines import keep_steps, rewrite, whole_lines

__all__ = ["FILE_NAME", "AskedSample", "CodeSample", "FailedTest", "SampleLog", "read_samples"]

FILE_NAME = "samples.jsonl"
MAX_CHARS = 20_000
"""Of each text; more is cut, and ends in ``…``."""
_LEFT = 0.75
"""Of a file that is full: so it need not be written anew each time."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int
    """The optimizer step that the rollout is for, counted from 1 as in ``metrics.jsonl``."""
    problem_id: str
    prompt: str
    completion: str
    reward: float | None


class FailedTest(BaseModel):
    """The first test that a program failed, and what it did there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    """From 1."""
    test: TestCase | None
    """None where it is too long to keep."""
    verdict: str
    got: str
    """Standard output, or the value returned, or the exception."""

    @field_serializer("test")
    def _as_sent(self, test: TestCase | None) -> dict[str, Any] | None:
        return test.model_dump(mode="json", exclude_unset=True) if test else None


class CodeSample(_Line):
    task: Literal["code"] = "code"
    verdict: str
    program: str | None = None
    failed: FailedTest | None = None


class AskedSample(_Line):
    task: Literal["alignment"] = "alignment"
    program: str
    input: str
    answers: dict[str, str]
    """What is right: name → literal."""
    given: dict[str, str] | None
    """What the policy answered, where that could be read."""


Sample = Annotated[CodeSample | AskedSample, Field(discriminator="task")]
_SAMPLE: TypeAdapter[CodeSample | AskedSample] = TypeAdapter(Sample)


class SampleLog(TrainerCallback):
    """Appends to ``samples.jsonl``, which holds the newest lines, at most so many.

    The draw depends on ``seed`` and step alone. On resume, lines of steps after the checkpoint are
    removed: they are about to be done again. One process writes: samples of its own rows.
    """

    def __init__(self, directory: Path, config: LoggingConfig, seed: int) -> None:
        self._path = directory / FILE_NAME
        self._config = config
        self._seed = seed
        self._count = 0
        self._added = 0

    def wants(self, step: int) -> bool:
        """Whether this step, counted from 1, is one of those kept, the first among them, and none
        of its batches has been added: dynamic sampling has several."""
        return (step - 1) % self._config.every == 0 and step != self._added

    def add(
        self,
        step: int,
        batch: Sequence[rows.Row],
        completions: Sequence[str],
        scored: Sequence[Scored],
    ) -> None:
        """Keep some rows of a batch; the other arguments have one entry a row."""
        self._added = step
        rng = random.Random(f"{self._seed}/{step}")
        kept = [(rows.CODE, self._config.rollouts), (rows.ALIGNMENT, self._config.questions)]
        lines = []
        for task, count in kept:
            of_task = [i for i, row in enumerate(batch) if row["task"] == task]
            for i in sorted(rng.sample(of_task, min(count, len(of_task)))):
                make = _code if task == rows.CODE else _asked
                lines.append(_text(make(step, batch[i], completions[i], scored[i])))
        self._append(lines)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero and self._path.is_file():
            keep_steps(self._path, lambda step: step <= state.global_step)
            self._count = len(self._lines())

    def _append(self, lines: Sequence[str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(lines)
        self._count += len(lines)
        if self._count > self._config.keep:
            newest = self._lines()[-ceil(_LEFT * self._config.keep) :]
            rewrite(self._path, newest)
            self._count = len(newest)

    def _lines(self) -> list[str]:
        return self._path.read_text(encoding="utf-8").splitlines(keepends=True)


def read_samples(directory: Path) -> list[CodeSample | AskedSample]:
    """The samples of a run, in order; none where it kept none. ``ValueError`` names a bad line."""
    path = directory / FILE_NAME
    if not path.is_file():
        return []
    samples = []
    for number, line in enumerate(whole_lines(path), 1):
        try:
            samples.append(_SAMPLE.validate_python(json.loads(line)))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}, is no sample: {error}") from None
    return samples


# --- from a row to a line -------------------------------------------------------------------


def _code(step: int, row: rows.Row, completion: str, scored: Scored) -> CodeSample:
    rollout = scored.rollout
    return CodeSample(
        **_common(step, row, completion, scored),
        verdict=scored.verdict or "no_answer",
        program=_bounded(rollout.code) if rollout else None,
        failed=_failed_test(rollout) if rollout and rollout.failed else None,
    )


def _asked(step: int, row: rows.Row, completion: str, scored: Scored) -> AskedSample:
    question = AlignmentSample.model_validate_json(row["sample"])
    return AskedSample(
        **_common(step, row, completion, scored),
        program=_bounded(question.program),
        input=_bounded(question.input_text),
        answers=_texts(question.answers),
        given=None if scored.given is None else _texts(scored.given),
    )


def _common(step: int, row: rows.Row, completion: str, scored: Scored) -> dict[str, Any]:
    return {
        "step": step,
        "problem_id": row["problem_id"],
        "prompt": _bounded(_prompt_text(row["prompt"])),
        "completion": _bounded(completion),
        "reward": scored.reward,
    }


def _failed_test(rollout: Rollout) -> FailedTest | None:
    for number, (test, result) in enumerate(
        zip(rollout.tests, rollout.result.tests, strict=False), 1
    ):
        if result.verdict == "accepted":
            continue
        exception = result.exception and f"{result.exception.type}: {result.exception.message}"
        got = exception or (result.value if result.value is not None else result.stdout)
        short = len(test.model_dump_json(exclude_unset=True)) <= MAX_CHARS
        return FailedTest(
            number=number,
            test=test if short else None,
            verdict=str(result.verdict),
            got=_bounded(got),
        )
    return None


def _prompt_text(prompt: str | list[dict[str, Any]]) -> str:
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"[{message['role']}]\n{message['content']}" for message in prompt)


def _texts(values: dict[str, str]) -> dict[str, str]:
    return {_bounded(name): _bounded(value) for name, value in values.items()}


def _bounded(text: str) -> str:
    """Cut, and without the halves of characters that a program may print."""
    cut = text if len(text) <= MAX_CHARS else text[:MAX_CHARS] + "…"
    return cut.encode("utf-8", "replace").decode("utf-8")


def _text(sample: BaseModel) -> str:
    return json.dumps(sample.model_dump(mode="json")) + "\n"
