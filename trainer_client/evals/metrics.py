"""The numbers that follow from verdicts.

What cannot be computed is left out and said, not raised: nothing that was judged may be lost.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from executor_api.wire import Verdict
from trainer_client.evals.results import NO_VERDICT, QUESTIONS, Metric, Problem
from trainer_client.statistics import bootstrap, pass_at_k
from trainer_client.views.reval import RevalAnswers

__all__ = ["compute_metrics"]


def compute_metrics(
    benchmark: str, problems: Sequence[Problem], ks: Sequence[int]
) -> tuple[list[Metric], list[str]]:
    """pass@k for each k, of all problems and of those with each value of each label; and warnings.

    A problem counts for pass@k if k of its samples have a verdict. REval's own score is added.
    """
    metrics, warnings = _pass_at_all(ks, "", problems), _too_large(ks, problems)
    for name, value in _label_values(problems):
        those = [p for p in problems if p.labels.get(name) == value]
        metrics += _pass_at_all(ks, f"{name} {value}", those)
    if benchmark == "reval":
        consistency, said = _consistency(problems)
        metrics += consistency
        warnings += said
    return metrics, warnings


def _pass_at_all(ks: Sequence[int], of: str, problems: Sequence[Problem]) -> list[Metric]:
    counted = [(k, [problem for problem in problems if problem.judged >= k]) for k in ks]
    return [_pass_at(k, of, those) for k, those in counted if those]


def _pass_at(k: int, of: str, problems: Sequence[Problem]) -> Metric:
    values = [pass_at_k(problem.judged, problem.passed, k) for problem in problems]
    interval = bootstrap(values, clusters=[problem.unit for problem in problems])
    return Metric(name=f"pass@{k}", of=of, value=interval, problems=len(problems))


def _too_large(ks: Sequence[int], problems: Sequence[Problem]) -> list[str]:
    most = max((problem.judged for problem in problems), default=0)
    return [
        f"no pass@{k}: no problem has as many samples with a verdict (the most is {most}); judge "
        "samples.jsonl again with --completions, or ask for a smaller --k"
        for k in ks
        if k > most
    ]


def _label_values(problems: Sequence[Problem]) -> list[tuple[str, str]]:
    """Labels that have several values, but not as many as could be read off the problems."""
    names = dict.fromkeys(name for problem in problems for name in problem.labels)
    found = {name: {p.labels[name] for p in problems if name in p.labels} for name in names}
    few = {name: values for name, values in found.items() if 1 < len(values) <= 10}
    return [(name, value) for name, values in few.items() for value in sorted(values)]


# --- REval ------------------------------------------------------------------------------

Probe = Mapping[str, Problem]
"""Question → what became of its samples."""


def _consistency(problems: Sequence[Problem]) -> tuple[list[Metric], list[str]]:
    """REval's incremental consistency: of the four answers about a probe, how many were right up
    to the first wrong one."""
    probes = _probes(problems)
    even = {id: probe for id, probe in probes.items() if _is_even(probe)}
    warnings = _uneven([id for id in probes if id not in even], len(probes))
    scored = [(probe, scores) for probe in even.values() if (scores := _scores(probe))]
    if not scored:
        none = "no consistency: no probe has a verdict on all of its four questions; ask them all"
        return [], [*warnings, none]
    value = bootstrap(
        [fmean(scores) for _, scores in scored],
        clusters=[probe[QUESTIONS[0]].unit for probe, _ in scored],
    )
    return [Metric(name="consistency", value=value, problems=len(scored))], warnings


def _probes(problems: Sequence[Problem]) -> dict[str, dict[str, Problem]]:
    probes: dict[str, dict[str, Problem]] = {}
    for problem in problems:
        probes.setdefault(problem.id.rpartition("#")[0], {})[problem.labels["question"]] = problem
    return probes


def _is_even(probe: Probe) -> bool:
    """Whether each of the four questions has as many samples, so that they can be put together."""
    return len({len(probe[name].verdicts) if name in probe else 0 for name in QUESTIONS}) == 1


def _uneven(ids: Sequence[str], of: int) -> list[str]:
    if not ids:
        return []
    shown = ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
    return [
        f"{len(ids)} of {of} probes have unequal numbers of samples for their four questions "
        f"({shown}): they are left out of the consistency"
    ]


def _scores(probe: Probe) -> list[float]:
    """Of each sample that has all four verdicts."""
    four = zip(*(probe[name].verdicts for name in QUESTIONS), strict=True)
    return [
        RevalAnswers(*(verdict == Verdict.ACCEPTED for verdict in verdicts)).consistency
        for verdicts in four
        if NO_VERDICT not in verdicts
    ]
