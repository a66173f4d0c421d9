"""A trace as the host answers it: the guest's records become a ``TraceResult``, well-formed and
within the limits whatever they hold. Never derive a verdict from a traced run.
"""

import json
from typing import Any

from executor_api.judge.literals import literal
from executor_api.judge.verdicts import Failure, call_failure, stdio_failure
from executor_api.observation import NO_VALUE, End, Observation, from_frame
from executor_api.trace_records import Records, clean
from executor_api.wire import ExceptionInfo, RuntimeName, TraceProgram, TraceResult

__all__ = ["assemble"]


def assemble(
    program: TraceProgram,
    index: int,
    header: dict[str, Any],
    payload: bytes,
    *,
    runtime: RuntimeName,
    python: str,
) -> TraceResult:
    """Read a ``trace`` frame. The header is the supervisor's; the payload may be anything.

    ``status`` follows the verdicts of a test without an expectation. ``reason`` is ``killed``
    where the process ended before the tracer did, ``hook_lost`` where records are malformed.
    """
    records = Records(program.limits, program.code)
    records.read(payload)
    seen = _observe(header, records.outcome, records.streams, program.limits.output_bytes)
    failure = call_failure(seen) if program.call else stdio_failure(seen)
    reason = records.why_incomplete(seen)
    stdout = clean(seen.stdout)
    return TraceResult(
        id=program.id,
        index=index,
        status=failure.verdict if failure else "completed",
        limit=failure.limit if failure else None,
        stdout=stdout,
        stdout_truncated=seen.truncated,
        stderr=clean(seen.stderr),
        value=_value(program, seen),
        exception=_exception(seen, failure),
        message=clean(failure.message) if failure and failure.message else None,
        frames=list(records.frames.values()),
        events=records.events,
        values=records.values,
        stdout_at=_within(records.stdout_at, len(records.events), len(stdout)),
        final={str(frame): records.final[frame] for frame in sorted(records.final)},
        **records.coverage(),
        complete=reason == "end",
        reason=reason,
        truncated_values=records.truncated_values,
        cpu_seconds=seen.cpu_seconds,
        wall_seconds=seen.wall_seconds,
        memory_mb=seen.memory_mb,
        python=python,
        runtime=runtime,
    )


def _observe(
    header: dict[str, Any],
    outcome: dict[str, Any] | None,
    streams: dict[str, Any] | None,
    output_bytes: int,
) -> Observation:
    """The run as the observation of a test: it has answered if it wrote its outcome and then
    ended by itself."""
    ended = header["end"] == End.EXITED and header.get("code") == 0
    if outcome is not None and (ended or header["end"] == End.ANSWERED):
        header = {**header, "end": End.ANSWERED}
        return from_frame(header, json.dumps(outcome).encode(), output_bytes)
    return from_frame(header, json.dumps(streams or {}).encode(), output_bytes)


def _within(marks: list[tuple[int, int]], events: int, characters: int) -> list[tuple[int, int]]:
    """Those of an event, at most all there is: the program may have cut or escaped its output."""
    return [(event, min(count, characters)) for event, count in marks if event < events]


def _value(program: TraceProgram, seen: Observation) -> str | None:
    if program.call is None or seen.value is NO_VALUE:
        return None
    return clean(literal(seen.value, program.limits.max_bytes))


def _exception(seen: Observation, failure: Failure | None) -> ExceptionInfo | None:
    found = failure.exception if failure and failure.exception else seen.exception
    if found is None:
        return None
    return found.model_copy(update={"type": clean(found.type), "message": clean(found.message)})
