"""Whether stored questions still have the answers that they were scored against."""

from collections.abc import Sequence

from executor_api.wire import TraceLimits, TraceProgram, TraceResult
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.alignment.variables import definitions
from trainer_client.client import ExecutorError
from trainer_client.client.types import Trace, Tracer
from trainer_client.config import QuestionOptions

__all__ = ["differences"]

LONGEST = 9_999


async def differences(
    samples: Sequence[AlignmentSample], tracer: Tracer
) -> list[dict[str, str | None]]:
    """Trace every program again; for each sample, name → the new literal of what is not the same
    (None: not there any more). Raises ``ExecutorError`` where a program could not be traced."""
    programs = [
        TraceProgram(
            id=sample.id,
            code=sample.program,
            stdin=sample.stdin,
            call=sample.call,
            detail="final",
            limits=TraceLimits(max_value_chars=LONGEST + 1),
        )
        for sample in samples
    ]
    traces = await tracer.trace(programs, return_exceptions=True) if programs else []
    return [_changed(s, _usable(t)) for s, t in zip(samples, traces, strict=True)]


def _usable(trace: Trace) -> TraceResult:
    if isinstance(trace, ExecutorError):
        raise trace
    return trace


def _changed(sample: AlignmentSample, trace: TraceResult) -> dict[str, str | None]:
    found = definitions(trace, QuestionOptions(max_value_chars=LONGEST))
    now = sample.model_copy(
        update={
            "variables": {name: found[name].value for name in sample.variables if name in found},
            "stdout": trace.stdout,
            "returned": trace.value if sample.returned is not None else None,
            "exception": trace.exception.type if trace.exception else None,
            "exception_line": trace.exception.line if trace.exception else None,
        }
    ).answers
    return {name: now.get(name) for name, was in sample.answers.items() if now.get(name) != was}
