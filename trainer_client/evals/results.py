"""What an evaluation found: samples with their verdicts, counted by problem, and metrics of them.

``results.json`` holds the number of passes of every problem and how the evaluation was made, which
is all that its metrics are computed from; ``samples.jsonl`` beside it holds the completions.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from executor_api.wire import Verdict
from trainer_client.data.difficulty import PassRate
from trainer_client.evals.cases import Case, EvalError, Form
from trainer_client.statistics import Interval

__all__ = [
    "NO_ANSWER",
    "NO_VERDICT",
    "QUESTIONS",
    "RESULTS",
    "Metric",
    "Problem",
    "Results",
    "Sample",
    "load_results",
    "pass_rates",
    "summarise",
]

NO_ANSWER = "no_answer"
"""The completion has no program or answer in it: wrong."""
NO_VERDICT = "no_verdict"
"""The executor could not judge it: neither right nor wrong."""
RESULTS = "results.json"
QUESTIONS = ("coverage", "state", "path", "output")
"""REval's, in the order in which answers build on each other."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Sample(_Record):
    """One completion and its verdict, a line of ``samples.jsonl``."""

    id: str
    index: int
    """Which of the case's samples, from 0."""
    completion: str
    answer: str
    """What was judged: the program, or the answer to the question."""
    form: Form
    verdict: str
    """A verdict of the executor's, ``no_answer``, or ``no_verdict``."""
    passed: bool | None
    """None: no verdict."""
    trust: Literal["high", "low"] = "high"
    message: str = ""


class Problem(_Record):
    """What became of one case's samples."""

    id: str
    verdicts: list[str]
    """Of each sample, in order."""
    cluster: str = ""
    labels: dict[str, str] = {}

    @property
    def judged(self) -> int:
        """Samples that have a verdict."""
        return len(self.verdicts) - self.verdicts.count(NO_VERDICT)

    @property
    def passed(self) -> int:
        return self.verdicts.count(Verdict.ACCEPTED)

    @property
    def pass_rate(self) -> float | None:
        """None where no sample has a verdict."""
        return self.passed / self.judged if self.judged else None

    @property
    def unit(self) -> str:
        """What stands or falls together with it: its cluster, else itself alone."""
        return self.cluster or self.id


class Metric(_Record):
    """A mean over problems."""

    name: str
    of: str = ""
    """A label's value, where it is the mean of its problems alone: ``difficulty hard``."""
    value: Interval
    """Between 0 and 1, with the 95 % bootstrap interval over problems."""
    problems: int
    """That had enough samples with a verdict."""


class Results(_Record):
    """An evaluation."""

    benchmark: str
    subject: str
    """The model, or the file of completions."""
    data: dict[str, Any]
    """Where the problems come from: ``source``, ``problems``, and how many of them were asked."""
    sampling: dict[str, Any]
    """How completions were drawn; empty where they were given."""
    executor: dict[str, Any]
    started: str
    seconds: float
    ks: list[int]
    metrics: list[Metric]
    verdicts: dict[str, int]
    """Of all samples."""
    warnings: list[str] = []
    problems: list[Problem]

    @property
    def without_verdict(self) -> int:
        """Samples that the executor could not judge."""
        return self.verdicts.get(NO_VERDICT, 0)


def summarise(cases: Sequence[Case], samples: Iterable[Sample]) -> list[Problem]:
    """Count the samples of each case that has any, in the order of the cases."""
    by_case: dict[str, list[Sample]] = {}
    for sample in samples:
        by_case.setdefault(sample.id, []).append(sample)
    return [_count(case, by_case[case.id]) for case in cases if case.id in by_case]


def _count(case: Case, samples: Sequence[Sample]) -> Problem:
    verdicts = [sample.verdict for sample in samples]
    return Problem(id=case.id, verdicts=verdicts, cluster=case.cluster, labels=dict(case.labels))


def pass_rates(problems: Iterable[Problem]) -> Iterator[PassRate]:
    """What a difficulty filter reads, of the problems that have a verdict."""
    for problem in problems:
        if problem.judged:
            yield PassRate(id=problem.id, passed=problem.passed, samples=problem.judged)


# --- files ------------------------------------------------------------------------------


def load_results(path: Path) -> Results:
    """Read ``results.json``, given as such or by its directory; raise ``EvalError``."""
    file = path / RESULTS if path.is_dir() else path
    try:
        return Results.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise EvalError(
            f"{file} cannot be read ({error.strerror}): name a results directory or results.json"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "it"
        reason = f"{field}: {first['msg']}"
        raise EvalError(f"{file} is not the result of an evaluation: {reason}") from None
    except ValueError as error:
        raise EvalError(f"{file} is not JSON: {error}") from None
