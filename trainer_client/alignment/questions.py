"""From rollouts to questions: choose programs and inputs, trace, keep what can be asked.

A sample's label comes from a traced run, and a program can find and forge its trace; so the trace
has to agree with the judged run of the same program on the same input, or the sample is dropped.
"""

import ast
from collections import Counter
from collections.abc import Iterable, Sequence

from executor_api.wire import CONTRACT_VERSION, TraceResult, Verdict
from trainer_client.alignment.inputs import Candidate, Rollout, candidates, drawn, request
from trainer_client.alignment.sample import AlignmentSample, input_text
from trainer_client.alignment.variables import (
    Definitions,
    chosen,
    definitions,
    difficulty,
    exits,
    is_literal,
)
from trainer_client.client import ExecutorError, InvalidRequest, Unauthorized
from trainer_client.client.types import Trace, Tracer
from trainer_client.config import QuestionOptions

__all__ = ["Dropped", "Rollout", "make_samples"]

_SYNTAX = (SyntaxError, ValueError, RecursionError, MemoryError)


class Dropped(Exception):
    """This rollout makes no question; the argument is the reason, as it is counted."""


async def make_samples(
    rollouts: Iterable[Rollout], tracer: Tracer, options: QuestionOptions, step: int
) -> tuple[list[AlignmentSample], Counter[str]]:
    """Trace the rollouts to ask about; return the questions and how many were dropped, by reason.

    Failures of the executor drop the sample too. ``InvalidRequest`` and ``Unauthorized`` are
    raised: they are the recipe's to mend.
    """
    dropped: Counter[str] = Counter()
    found = drawn(candidates(rollouts, options, dropped), options, dropped, step)
    traces, references = await _traced(found, tracer, options)
    samples: dict[object, AlignmentSample] = {}
    for candidate, trace in zip(found, traces, strict=True):
        reference = references.get(_reference_key(candidate))
        try:
            sample = _sample(candidate, trace, reference, options, step)
        except Dropped as reason:
            dropped[str(reason)] += 1
            continue
        samples.setdefault(_identity(sample, options), sample)
    return list(samples.values()), dropped


async def _traced(
    found: Sequence[Candidate], tracer: Tracer, options: QuestionOptions
) -> tuple[list[Trace], dict[object, Trace]]:
    """The candidates' traces, and those of the references that are needed, each once."""
    requests = [request(c, c.rollout.code, options) for c in found]
    references = {
        _reference_key(c): request(c, c.rollout.reference, options)
        for c in found
        if options.downstream and c.rollout.reference
    }
    if not requests:
        return [], {}
    traces = await tracer.trace([*requests, *references.values()], return_exceptions=True)
    return traces[: len(found)], dict(zip(references, traces[len(found) :], strict=True))


def _reference_key(candidate: Candidate) -> object:
    call = candidate.call.model_dump_json() if candidate.call else None
    return candidate.rollout.reference, candidate.stdin, call


def _identity(sample: AlignmentSample, options: QuestionOptions) -> object:
    if options.unique == "program":
        return sample.id
    return (sample.input_text, sample.stdout, sample.returned)


def _sample(
    candidate: Candidate,
    trace: Trace,
    reference: Trace | None,
    options: QuestionOptions,
    step: int,
) -> AlignmentSample:
    trace = _usable(trace)
    raised = _check_ending(trace, options)
    _check_agreement(candidate, trace)
    if options.need_stdout and not trace.stdout.strip():
        raise Dropped("no_output")
    program = candidate.rollout.code
    asked = chosen(
        _definitions(program, trace, options),
        options,
        f"{program}\n{input_text(candidate.stdin, candidate.call)}",
        _reference_definitions(reference, options),
    )
    hard = difficulty(asked.values())
    if asked and not options.min_difficulty <= hard <= options.max_difficulty:
        raise Dropped("difficulty")
    returned = _returned(candidate, trace, raised, options)
    if not (asked or raised or options.ask_stdout or returned):
        raise Dropped("no_variables")
    return AlignmentSample(
        program=program,
        stdin=candidate.stdin,
        call=candidate.call,
        kind="raised" if raised else "completed",
        variables={name: definition.value for name, definition in asked.items()},
        stdout=trace.stdout,
        ask_stdout=options.ask_stdout,
        returned=returned,
        exception=trace.exception.type if raised and trace.exception else None,
        exception_line=trace.exception.line if raised and trace.exception else None,
        problem_id=candidate.rollout.problem_id,
        step=step,
        difficulty=round(hard, 3),
        python=trace.python,
        tracer=f"{CONTRACT_VERSION} {trace.runtime}",
    )


def _usable(trace: Trace) -> TraceResult:
    if isinstance(trace, InvalidRequest | Unauthorized):
        raise trace
    if isinstance(trace, ExecutorError) or trace.status is Verdict.SANDBOX_ERROR:
        raise Dropped("no_trace")
    return trace


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


def _check_agreement(candidate: Candidate, trace: TraceResult) -> None:
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


def _definitions(code: str, trace: TraceResult, options: QuestionOptions) -> Definitions:
    if not options.exits:
        try:
            tree = ast.parse(code)
        except _SYNTAX:  # the guest's Python is newer
            raise Dropped("syntax") from None
        if exits(tree, set(trace.executed_lines)):
            return {}
    return definitions(trace, options)


def _reference_definitions(reference: Trace | None, options: QuestionOptions) -> Definitions | None:
    """None where there is nothing to compare with: then every variable counts as downstream."""
    if not options.downstream or reference is None:
        return None
    return definitions(_usable(reference), options)


def _returned(
    candidate: Candidate, trace: TraceResult, raised: bool, options: QuestionOptions
) -> str | None:
    """The literal that the call returned, where that is asked for."""
    if not options.ask_return or candidate.call is None or raised:
        return None
    if trace.value is None or not is_literal(trace.value, options.max_value_chars):
        raise Dropped("no_value")
    return trace.value
