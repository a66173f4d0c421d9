"""Two evaluations of the same problems, compared problem by problem."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

from pydantic import BaseModel

from trainer_client.evals.cases import EvalError
from trainer_client.evals.results import Problem, Results
from trainer_client.statistics import Interval, exact_sign_test, paired_difference

__all__ = ["Change", "Comparison", "compare"]


Pair = tuple[Problem, Problem]
"""A problem before and after."""


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
    """Paired, with the 95 % bootstrap interval over clusters."""
    better: int
    worse: int
    clusters: int
    """Of problems about the same program or statement; each other problem is one of its own."""
    clusters_better: int
    clusters_worse: int
    """By the mean difference of their problems: what the test counts."""
    p: float | None
    """Two-sided, exact. None where no test holds: ``test`` says why."""
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
    first, second = [_rate(a) for a, _ in pairs], [_rate(b) for _, b in pairs]
    changes = _changes(pairs)
    better = sum(change.direction == "better" for change in changes)
    signs = _cluster_signs(pairs)
    clusters_better, clusters_worse = signs.count(1), signs.count(-1)
    untested = _untested(pairs)
    return Comparison(
        benchmark=before.benchmark,
        before=before.subject,
        after=after.subject,
        problems=len(pairs),
        rate_before=sum(first) / len(first),
        rate_after=sum(second) / len(second),
        difference=paired_difference(first, second, clusters=[a.unit for a, _ in pairs]),
        better=better,
        worse=len(changes) - better,
        clusters=len(signs),
        clusters_better=clusters_better,
        clusters_worse=clusters_worse,
        p=None if untested else exact_sign_test(clusters_better, clusters_worse),
        test=untested or _test(pairs, len(signs)),
        changes=changes,
        warnings=_warnings(before, after, len(pairs)),
    )


def _pairs(before: Sequence[Problem], after: Sequence[Problem]) -> list[Pair]:
    others = {problem.id: problem for problem in after}
    found = [(problem, others[problem.id]) for problem in before if problem.id in others]
    return [(a, b) for a, b in found if a.judged and b.judged]


def _rate(problem: Problem) -> float:
    return problem.passed / problem.judged


def _changes(pairs: Sequence[Pair]) -> list[Change]:
    rates = [(a.id, _rate(a), _rate(b)) for a, b in pairs]
    changes = [Change(id=id, before=x, after=y) for id, x, y in rates if x != y]
    return sorted(changes, key=lambda c: (c.direction, -abs(c.after - c.before)))


# --- the test ---------------------------------------------------------------------------


def _cluster_signs(pairs: Sequence[Pair]) -> list[int]:
    """Of each cluster 1 where it is better on the mean of its problems, -1 where worse, else 0."""
    sums: dict[str, Fraction] = {}
    for a, b in pairs:
        change = Fraction(b.passed, b.judged) - Fraction(a.passed, a.judged)
        sums[a.unit] = sums.get(a.unit, Fraction()) + change
    return [(total > 0) - (total < 0) for total in sums.values()]


def _untested(pairs: Sequence[Pair]) -> str:
    """Why there is no test; empty where there is one.

    It takes changes to be as likely for the better as for the worse if both are alike. With one
    sample against twenty they are not: what passes nine times in ten mostly gets worse.
    """
    unequal = [(a.judged, b.judged) for a, b in pairs if a.judged != b.judged]
    if not unequal:
        return ""
    one, other = unequal[0]
    return (
        f"no exact test: {len(unequal)} of {len(pairs)} problems have unequal numbers of samples "
        f"with a verdict in the two (one has {one} and {other}); evaluate both with the same "
        "--samples, and judge again what has no verdict"
    )


def _test(pairs: Sequence[Pair], clusters: int) -> str:
    if clusters < len(pairs):
        return "exact sign test on means of clusters"
    return "exact McNemar" if all(a.judged == 1 for a, _ in pairs) else "exact sign test"


# --- differences in the making ----------------------------------------------------------

_CHOICES = {"cot": False, "scoring": "run"}
"""And what they are where results do not say."""
_SAMPLING = ("style", "samples", "temperature", "max_new_tokens", "dtype")
_RANDOMNESS = ("top_p", "seed", "batch")
"""Of sampling: greedy completions do not depend on them."""


def _warnings(before: Results, after: Results, paired: int) -> list[str]:
    made = (
        _left_out(before, after, paired),
        _other_data(before, after),
        _differing("asked or judged", _CHOICES, _CHOICES | before.data, _CHOICES | after.data),
        _sampled_otherwise(before.sampling, after.sampling),
    )
    return [warning for warning in made if warning]


def _left_out(before: Results, after: Results, paired: int) -> str:
    either = {problem.id for results in (before, after) for problem in results.problems}
    if len(either) == paired:
        return ""
    return (
        f"{len(either) - paired} of {len(either)} problems are not in both with a verdict "
        "and are left out"
    )


def _other_data(before: Results, after: Results) -> str:
    """Files are told apart by their content, other data by where it comes from."""
    digests = [results.data.get("sha256") for results in (before, after)]
    if None not in digests:
        return "the two were made with different data files" if len(set(digests)) > 1 else ""
    first, second = (results.data.get("source") for results in (before, after))
    return f"their data come from different places: {first} → {second}" if first != second else ""


def _sampled_otherwise(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if not before or not after:
        return ""  # completions out of a file: how they were drawn is not known
    greedy = before.get("temperature") == after.get("temperature") == 0
    names = _SAMPLING if greedy else (*_SAMPLING, *_RANDOMNESS)
    return _differing("sampled", names, before, after)


def _differing(
    how: str, names: Iterable[str], before: Mapping[str, Any], after: Mapping[str, Any]
) -> str:
    changed = [
        f"{name} ({before.get(name)} → {after.get(name)})"
        for name in names
        if before.get(name) != after.get(name)
    ]
    return f"they were {how} differently: {', '.join(changed)}" if changed else ""
