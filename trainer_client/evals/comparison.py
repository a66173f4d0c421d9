"""Two evaluations of the same problems, compared problem by problem."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from trainer_client.evals.cases import EvalError
from trainer_client.evals.results import Problem, Results
from trainer_client.statistics import Interval, exact_sign_test, paired_difference

__all__ = ["Change", "Comparison", "compare"]


class Change(BaseModel):
    """A problem whose pass rate is not the same in both."""

    id: str
    before: float
    after: float

    @property
    def direction(self) -> Literal["better", "worse"]:
        return "better" if self.after > self.before else "worse"


class Comparison(BaseModel):
    """``after`` against ``before`` on the problems that both judged."""

    benchmark: str
    before: str
    after: str
    problems: int
    rate_before: float
    """Mean pass rate, the estimate of pass@1."""
    rate_after: float
    difference: Interval
    """Paired, with the 95 % bootstrap interval over problems (over programs for REval)."""
    better: int
    worse: int
    p: float
    """Two-sided, exact: McNemar's test with one sample a problem, a sign test with several."""
    test: str
    changes: list[Change]
    """The largest first."""
    warnings: list[str] = []

    @property
    def conclusion(self) -> str:
        """What the interval supports, and no more."""
        if self.difference.low > 0:
            return "better"
        return "worse" if self.difference.high < 0 else "no difference shown"


def compare(before: Results, after: Results) -> Comparison:
    """Pair the problems of two evaluations. ``EvalError`` where none are in both."""
    if before.benchmark != after.benchmark:
        raise EvalError(
            f"one is of {before.benchmark}, the other of {after.benchmark}: "
            "compare evaluations of the same benchmark"
        )
    pairs = _pairs(before.problems, after.problems)
    if not pairs:
        raise EvalError("no problem has a verdict in both evaluations: are they of the same data?")
    rates = [(_rate(a), _rate(b)) for a, b in pairs]
    changes = [
        Change(id=problem.id, before=x, after=y)
        for (problem, _), (x, y) in zip(pairs, rates, strict=True)
        if x != y
    ]
    better = sum(change.direction == "better" for change in changes)
    first, second = [x for x, _ in rates], [y for _, y in rates]
    single = all(len(p.verdicts) == 1 for pair in pairs for p in pair)
    return Comparison(
        benchmark=before.benchmark,
        before=before.subject,
        after=after.subject,
        problems=len(pairs),
        rate_before=sum(first) / len(first),
        rate_after=sum(second) / len(second),
        difference=paired_difference(
            first, second, clusters=[problem.cluster or problem.id for problem, _ in pairs]
        ),
        better=better,
        worse=len(changes) - better,
        p=exact_sign_test(better, len(changes) - better),
        test="exact McNemar" if single else "exact sign test",
        changes=sorted(changes, key=lambda c: (c.direction, -abs(c.after - c.before))),
        warnings=_warnings(before, after, len(pairs)),
    )


def _pairs(before: Sequence[Problem], after: Sequence[Problem]) -> list[tuple[Problem, Problem]]:
    others = {problem.id: problem for problem in after}
    found = [(problem, others[problem.id]) for problem in before if problem.id in others]
    return [(a, b) for a, b in found if a.judged and b.judged]


def _rate(problem: Problem) -> float:
    return problem.passed / problem.judged


def _warnings(before: Results, after: Results, paired: int) -> list[str]:
    warnings = []
    either = {problem.id for results in (before, after) for problem in results.problems}
    if len(either) > paired:
        warnings.append(
            f"{len(either) - paired} of {len(either)} problems are not in both with a verdict "
            "and are left out"
        )
    digests = {results.data.get("sha256") for results in (before, after)} - {None}
    if len(digests) > 1:
        warnings.append("the two were made with different data files")
    changed = [
        name
        for name in ("samples", "temperature", "top_p", "style")
        if before.sampling.get(name) != after.sampling.get(name)
    ]
    if changed and before.sampling and after.sampling:
        warnings.append(f"they were sampled differently: {', '.join(changed)}")
    return warnings
