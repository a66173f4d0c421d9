"""Which programs are asked about, and on which inputs."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from executor_api.wire import (
    CallSpec,
    ExecuteResult,
    StdioTest,
    TestCase,
    TestResult,
    TraceLimits,
    TraceProgram,
    Verdict,
)
from trainer_client.alignment.calls import call_of
from trainer_client.config import QuestionOptions

__all__ = ["Candidate", "Rollout", "candidates", "drawn", "request"]


@dataclass(frozen=True, slots=True)
class Rollout:
    """A program of the policy's with its verdict."""

    problem_id: str
    code: str
    tests: Sequence[TestCase]
    result: ExecuteResult
    reference: str = ""
    """A program known to solve the problem, where there is one."""

    @property
    def passed(self) -> bool:
        return self.result.verdict is Verdict.ACCEPTED

    @property
    def failed(self) -> bool:
        return self.result.judged and not self.passed


@dataclass(frozen=True, slots=True)
class Candidate:
    """A judged program and one of its inputs: standard input, or a call."""

    rollout: Rollout
    judged: TestResult
    stdin: str
    call: CallSpec | None


_TRACEABLE = {Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR, Verdict.INVALID_VALUE}


def candidates(
    rollouts: Iterable[Rollout], options: QuestionOptions, dropped: Counter[str]
) -> list[Candidate]:
    """Each (program, input) once; those without a usable input are counted in ``dropped``."""
    found: dict[object, Candidate] = {}
    for rollout in _asked_about(list(rollouts), options, dropped):
        inputs = _inputs(rollout, options)
        if not inputs:
            dropped["no_input"] += 1
        for candidate in inputs:
            call = candidate.call.model_dump_json() if candidate.call else None
            found.setdefault((rollout.code, candidate.stdin, call), candidate)
    return list(found.values())


def drawn(
    candidates: list[Candidate], options: QuestionOptions, dropped: Counter[str], step: int
) -> list[Candidate]:
    """At most ``max_traces`` of them; the draw depends on the step and their number alone."""
    if options.max_traces is None or len(candidates) <= options.max_traces:
        return candidates
    dropped["not_traced"] += len(candidates) - options.max_traces
    return random.Random(step).sample(candidates, options.max_traces)


def request(candidate: Candidate, code: str, options: QuestionOptions) -> TraceProgram:
    """The run of ``code`` on the candidate's input that tells its last definitions."""
    limits = TraceLimits(
        cpu_seconds=options.cpu_seconds,
        wall_seconds=options.wall_seconds,
        max_value_chars=max(200, options.max_value_chars + 1),
    )
    return TraceProgram(
        id=candidate.rollout.problem_id,
        code=code,
        stdin=candidate.stdin,
        call=candidate.call,
        detail="final",
        limits=limits,
    )


def _asked_about(
    rollouts: list[Rollout], options: QuestionOptions, dropped: Counter[str]
) -> list[Rollout]:
    chosen = [r for r in rollouts if r.failed or (r.passed and options.programs == "all")]
    if options.from_groups == "all":
        return chosen
    outcomes: defaultdict[str, set[bool]] = defaultdict(set)
    for rollout in rollouts:
        if rollout.passed or rollout.failed:
            outcomes[rollout.problem_id].add(rollout.passed)
    mixed = [r for r in chosen if len(outcomes[r.problem_id]) > 1]
    dropped["no_spread"] += len(chosen) - len(mixed)
    return mixed


def _inputs(rollout: Rollout, options: QuestionOptions) -> list[Candidate]:
    pairs = list(zip(rollout.tests, rollout.result.tests, strict=False))
    if rollout.passed:
        pairs = pairs[:1] if options.input == "first" else pairs
    elif options.input == "first":
        pairs = [(t, r) for t, r in pairs[:1] if r.verdict in {*_TRACEABLE, Verdict.ACCEPTED}]
    else:
        pairs = [(t, r) for t, r in pairs if r.verdict in _TRACEABLE]
    if not options.exceptions:
        pairs = [(t, r) for t, r in pairs if r.verdict is not Verdict.RUNTIME_ERROR]
    found = (_candidate(rollout, test, judged, options) for test, judged in pairs)
    return [c for c in found if c is not None][: options.inputs_per_program]


def _candidate(
    rollout: Rollout, test: TestCase, judged: TestResult, options: QuestionOptions
) -> Candidate | None:
    if isinstance(test, StdioTest):
        return Candidate(rollout, judged, test.stdin, None)
    if not options.calls:
        return None
    call = call_of(test)
    return None if call is None else Candidate(rollout, judged, "", call)
