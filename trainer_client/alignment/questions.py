"""From failed rollouts to questions: choose inputs, trace, keep what can be asked.

A sample's label comes from a traced run, and a program can find and forge its trace; so the trace
has to agree with the judged run of the same program on the same input, or the sample is dropped.
"""

import ast
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2
from typing import Protocol

from executor_api.wire import (
    CONTRACT_VERSION,
    AssertTest,
    CallSpec,
    CallTest,
    ExecuteResult,
    LastDefinition,
    StdioTest,
    TestCase,
    TestResult,
    TraceLimits,
    TraceProgram,
    TraceResult,
    Verdict,
)
from trainer_client._exceptions import ExecutorError, InvalidRequest, Unauthorized
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.config import QuestionOptions

__all__ = ["Dropped", "Rollout", "Tracer", "make_samples"]


class Tracer(Protocol):
    """The part of ``ExecutorClient`` that is needed here."""

    async def trace(
        self, programs: Sequence[TraceProgram], *, return_exceptions: bool
    ) -> list[TraceResult | ExecutorError]: ...


@dataclass(frozen=True, slots=True)
class Rollout:
    """A program of the policy's with its verdict."""

    problem_id: str
    code: str
    tests: Sequence[TestCase]
    result: ExecuteResult

    @property
    def failed(self) -> bool:
        return self.result.verdict not in (Verdict.ACCEPTED, Verdict.SANDBOX_ERROR)


class Dropped(Exception):
    """This rollout makes no question; the argument is the reason, as it is counted."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    rollout: Rollout
    judged: TestResult
    stdin: str
    call: CallSpec | None


async def make_samples(
    rollouts: Iterable[Rollout], tracer: Tracer, options: QuestionOptions, step: int
) -> tuple[list[AlignmentSample], Counter[str]]:
    """Trace the failed rollouts; return the questions and how many were dropped, by reason.

    Failures of the executor drop the sample too. ``InvalidRequest`` and ``Unauthorized`` are
    raised: they are the recipe's to mend.
    """
    dropped: Counter[str] = Counter()
    candidates = _drawn(_candidates(rollouts, options, dropped), options, dropped, step)
    requests = [_request(c, options) for c in candidates]
    traces = await tracer.trace(requests, return_exceptions=True) if requests else []
    samples: dict[object, AlignmentSample] = {}
    for candidate, trace in zip(candidates, traces, strict=True):
        try:
            sample = _sample(candidate, trace, options, step)
        except Dropped as reason:
            dropped[str(reason)] += 1
            continue
        samples.setdefault(_identity(sample, options), sample)
    return list(samples.values()), dropped


def _identity(sample: AlignmentSample, options: QuestionOptions) -> object:
    if options.unique == "program":
        return sample.id
    return (sample.input_text, sample.stdout)


# --- which programs, on which inputs ------------------------------------------------------

_TRACEABLE = {Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR, Verdict.INVALID_VALUE}


def _candidates(
    rollouts: Iterable[Rollout], options: QuestionOptions, dropped: Counter[str]
) -> list[_Candidate]:
    """Each (program, input) once."""
    found: dict[object, _Candidate] = {}
    for rollout in rollouts:
        if not rollout.failed:
            continue
        inputs = _inputs(rollout, options)
        if not inputs:
            dropped["no_input"] += 1
        for candidate in inputs:
            call = candidate.call.model_dump_json() if candidate.call else None
            found.setdefault((rollout.code, candidate.stdin, call), candidate)
    return list(found.values())


def _drawn(
    candidates: list[_Candidate], options: QuestionOptions, dropped: Counter[str], step: int
) -> list[_Candidate]:
    """At most ``max_traces`` of them; the draw depends on the step and their number alone."""
    if options.max_traces is None or len(candidates) <= options.max_traces:
        return candidates
    dropped["not_traced"] += len(candidates) - options.max_traces
    return random.Random(step).sample(candidates, options.max_traces)


def _inputs(rollout: Rollout, options: QuestionOptions) -> list[_Candidate]:
    pairs = list(zip(rollout.tests, rollout.result.tests, strict=False))
    if options.input == "first":
        pairs = [(t, r) for t, r in pairs[:1] if r.verdict in {*_TRACEABLE, Verdict.ACCEPTED}]
    else:
        pairs = [(t, r) for t, r in pairs if r.verdict in _TRACEABLE]
    if not options.exceptions:
        pairs = [(t, r) for t, r in pairs if r.verdict is not Verdict.RUNTIME_ERROR]
    candidates = (_candidate(rollout, test, judged, options) for test, judged in pairs)
    return [c for c in candidates if c is not None][: options.inputs_per_program]


def _candidate(
    rollout: Rollout, test: TestCase, judged: TestResult, options: QuestionOptions
) -> _Candidate | None:
    if isinstance(test, StdioTest):
        return _Candidate(rollout, judged, test.stdin, None)
    if not options.calls:
        return None
    call = _call(test)
    return None if call is None else _Candidate(rollout, judged, "", call)


def _call(test: CallTest | AssertTest) -> CallSpec | None:
    if isinstance(test, CallTest):
        fields = test.model_dump(
            include={"function", "args", "args_literal", "kwargs"}, exclude_unset=True
        )
        return CallSpec(**fields)
    return _call_of_assert(test.code)


def _call_of_assert(code: str) -> CallSpec | None:
    """``assert f(1, 2) == 3`` as the call ``f(1, 2)``; None for anything less plain."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if len(body) != 1 or not isinstance(body[0], ast.Assert):
        return None
    test = body[0].test
    if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.Call):
        return None
    call = test.left
    if not isinstance(call.func, ast.Name) or call.keywords:
        return None
    try:
        arguments = tuple(ast.literal_eval(argument) for argument in call.args)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return CallSpec(function=call.func.id, args_literal=repr(arguments))


def _request(candidate: _Candidate, options: QuestionOptions) -> TraceProgram:
    limits = TraceLimits(
        cpu_seconds=options.cpu_seconds,
        wall_seconds=options.wall_seconds,
        max_value_chars=max(200, options.max_value_chars + 1),
    )
    return TraceProgram(
        id=candidate.rollout.problem_id,
        code=candidate.rollout.code,
        stdin=candidate.stdin,
        call=candidate.call,
        detail="final",
        limits=limits,
    )


# --- from a trace to a question -----------------------------------------------------------


def _sample(
    candidate: _Candidate, trace: TraceResult | ExecutorError, options: QuestionOptions, step: int
) -> AlignmentSample:
    if isinstance(trace, InvalidRequest | Unauthorized):
        raise trace
    if isinstance(trace, ExecutorError) or trace.status is Verdict.SANDBOX_ERROR:
        raise Dropped("no_trace")
    raised = _check_ending(trace, options)
    _check_agreement(candidate, trace)
    if options.need_stdout and not trace.stdout.strip():
        raise Dropped("no_output")
    definitions = _chosen(_definitions(candidate.rollout.code, trace, options), options)
    difficulty = _difficulty(definitions.values())
    if definitions and not options.min_difficulty <= difficulty <= options.max_difficulty:
        raise Dropped("difficulty")
    if not definitions and not raised and not options.ask_stdout:
        raise Dropped("no_variables")
    return AlignmentSample(
        program=candidate.rollout.code,
        stdin=candidate.stdin,
        call=candidate.call,
        kind="raised" if raised else "completed",
        variables={name: definition.value for name, definition in definitions.items()},
        stdout=trace.stdout,
        ask_stdout=options.ask_stdout,
        exception=trace.exception.type if raised and trace.exception else None,
        exception_line=trace.exception.line if raised and trace.exception else None,
        problem_id=candidate.rollout.problem_id,
        step=step,
        difficulty=round(difficulty, 3),
        python=trace.python,
        tracer=f"{CONTRACT_VERSION} {trace.runtime}",
    )


def _check_ending(trace: TraceResult, options: QuestionOptions) -> bool:
    """Whether the program raised; ``Dropped`` where it ended in no way that can be asked."""
    if not trace.complete:
        raise Dropped("incomplete")
    if trace.status == "completed":
        return False
    if trace.status is not Verdict.RUNTIME_ERROR or trace.exception is None:
        raise Dropped(str(trace.status))
    if not options.exceptions:
        raise Dropped("exception")
    return True


def _check_agreement(candidate: _Candidate, trace: TraceResult) -> None:
    judged = candidate.judged
    if trace.stdout_truncated or judged.stdout_truncated:
        raise Dropped("long_output")
    theirs, ours = judged.exception, trace.exception
    same = (theirs.type if theirs else None) == (ours.type if ours else None)
    if candidate.call is None:
        same = same and trace.stdout == judged.stdout
    elif judged.value is not None and trace.value is not None:
        same = same and trace.value == judged.value
    if not same:
        raise Dropped("disagreement")


_UNNAMED = re.compile(r"<(?!locals>)")  # <listcomp>, <lambda>, <genexpr>


def _definitions(
    code: str, trace: TraceResult, options: QuestionOptions
) -> dict[str, LastDefinition]:
    """Name → last definition, of the frames and variables that can be asked about."""
    if not options.exits and _exits(code, set(trace.executed_lines)):
        return {}
    frames = [
        f for f in trace.frames if f.function == "<module>" or not _UNNAMED.search(f.function)
    ]
    if options.frames == "module":
        frames = [f for f in frames if f.function == "<module>"]
    calls = Counter(f.function for f in frames)
    seen: Counter[str] = Counter()
    definitions: dict[str, LastDefinition] = {}
    for frame in frames:
        seen[frame.function] += 1
        prefix = _prefix(frame.function, seen[frame.function], calls[frame.function])
        for name, definition in trace.final.get(str(frame.id), {}).items():
            if _can_be_asked(name, definition.value, options):
                definitions[prefix + name] = definition
    return definitions


def _prefix(function: str, number: int, calls: int) -> str:
    if function == "<module>":
        return ""
    name = function.replace(".<locals>", "")
    return f"{name}." if calls == 1 else f"{name}[{number}]."


def _can_be_asked(name: str, value: str, options: QuestionOptions) -> bool:
    if name.startswith("__") or len(value) > options.max_value_chars or "…" in value:
        return False
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False
    return True


_EXIT_CALLS = {"sys.exit", "exit", "quit", "os._exit"}


def _exits(code: str, executed: set[int]) -> bool:
    """Whether a line that ran holds a call that ends the process."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the guest's Python is newer
        raise Dropped("syntax") from None
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(c.lineno in executed and ast.unparse(c.func) in _EXIT_CALLS for c in calls)


def _chosen(
    definitions: dict[str, LastDefinition], options: QuestionOptions
) -> dict[str, LastDefinition]:
    """At most ``max_variables``, in their order."""
    names = list(definitions)
    if options.choose == "last":
        return {name: definitions[name] for name in names[-options.max_variables :]}
    by_work = sorted(names, key=lambda name: -_work(definitions[name]))
    kept = set(by_work[: options.max_variables])
    return {name: definitions[name] for name in names if name in kept}


def _work(definition: LastDefinition) -> float:
    """How much there is to follow and to write: log2(1 + visits) + log2(1 + characters)."""
    return log2(1 + definition.visits) + log2(1 + len(definition.value))


def _difficulty(definitions: Iterable[LastDefinition]) -> float:
    work = [_work(definition) for definition in definitions]
    return sum(work) / len(work) if work else 0.0
