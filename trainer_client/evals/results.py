"""What an evaluation found: samples with their verdicts, and the numbers that follow from them.

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
from trainer_client.statistics import Interval, bootstrap, pass_at_k
from trainer_client.views.reval import RevalAnswers

__all__ = [
    "NO_ANSWER",
    "NO_VERDICT",
    "QUESTIONS",
    "RESULTS",
    "Metric",
    "Problem",
    "Results",
    "Sample",
    "compute_metrics",
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


# --- metrics ----------------------------------------------------------------------------


def compute_metrics(benchmark: str, problems: Sequence[Problem], ks: Sequence[int]) -> list[Metric]:
    """pass@k for each k, of all problems and of those with each value of each label.

    A problem counts for pass@k if k of its samples have a verdict. REval's own score is added.
    ``EvalError`` where no problem has as many.
    """
    metrics = [_pass_at(k, "", problems) for k in ks]
    for name, value in _label_values(problems):
        those = [p for p in problems if p.labels.get(name) == value]
        metrics += [
            _pass_at(k, f"{name} {value}", those) for k in ks if any(p.judged >= k for p in those)
        ]
    if benchmark == "reval":
        metrics.append(_consistency(problems))
    return metrics


def _pass_at(k: int, of: str, problems: Sequence[Problem]) -> Metric:
    counted = [problem for problem in problems if problem.judged >= k]
    if not counted:
        most = max((problem.judged for problem in problems), default=0)
        raise EvalError(
            f"k is {k}: no problem has as many samples with a verdict (the most is {most}); draw "
            "more samples or ask for a smaller k"
        )
    values = [pass_at_k(problem.judged, problem.passed, k) for problem in counted]
    interval = bootstrap(values, clusters=[problem.unit for problem in counted])
    return Metric(name=f"pass@{k}", of=of, value=interval, problems=len(counted))


def _consistency(problems: Sequence[Problem]) -> Metric:
    """REval's incremental consistency: of the four answers about a probe, how many were right up
    to the first wrong one. A probe without all four verdicts is left out."""
    probes: dict[str, dict[str, Problem]] = {}
    for problem in problems:
        probes.setdefault(problem.id.rpartition("#")[0], {})[problem.labels["question"]] = problem
    values, clusters = [], []
    for questions in probes.values():
        four = [questions[name].verdicts for name in QUESTIONS if name in questions]
        for verdicts in zip(*four, strict=True) if len(four) == len(QUESTIONS) else ():
            if NO_VERDICT not in verdicts:
                right = RevalAnswers(*(verdict == Verdict.ACCEPTED for verdict in verdicts))
                values.append(right.consistency)
                clusters.append(questions[QUESTIONS[0]].cluster)
    if not values:
        raise EvalError("no probe has a verdict on all of its four questions; ask them all")
    interval = bootstrap(values, clusters=clusters)
    return Metric(name="consistency", value=interval, problems=len(values))


def _label_values(problems: Sequence[Problem]) -> list[tuple[str, str]]:
    """Labels that have several values, but not as many as could be read off the problems."""
    names = dict.fromkeys(name for problem in problems for name in problem.labels)
    found = {name: {p.labels[name] for p in problems if name in p.labels} for name in names}
    few = {name: values for name, values in found.items() if 1 < len(values) <= 10}
    return [(name, value) for name, values in few.items() for value in sorted(values)]


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
