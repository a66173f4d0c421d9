"""What an observation alone decides, before any comparison: the precedence of the contract."""

import signal
from dataclasses import dataclass
from typing import Any, Literal

from executor_api.observation import NO_VALUE, End, Observation, Outcome
from executor_api.wire import ExceptionInfo, Verdict

__all__ = ["Failure", "call_failure", "stdio_failure"]

_FAULTS = {
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGABRT,
    signal.SIGSYS,
    signal.SIGTRAP,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run has no answer to compare, or why its answer is wrong."""

    verdict: Verdict
    message: str | None = None
    limit: Literal["cpu", "wall"] | None = None
    exception: ExceptionInfo | None = None


def stdio_failure(seen: Observation) -> Failure | None:
    """None where the program ended normally (status 0 however it got there), so that its output
    decides."""
    if failure := _before_ending(seen):
        return failure
    if seen.end is End.SIGNALED:
        return _killed(seen.code)
    status = seen.code if seen.end is End.EXITED else seen.status
    if seen.outcome is Outcome.INVALID:
        return _invalid(seen)
    return _exit_status(status) if status else None


def call_failure(seen: Observation, *, needs_value: bool = True) -> Failure | None:
    """None where the test was answered, with a value where one is needed."""
    if failure := _before_ending(seen):
        return failure
    if seen.end is End.SIGNALED:
        return _killed(seen.code) if seen.code in _FAULTS else _early(_signal_name(seen.code))
    if seen.end is End.EXITED:
        return _early(f"exit status {seen.code}")
    if seen.outcome is Outcome.EXITED:
        return _early(f"sys.exit, status {seen.status}")
    if seen.outcome is Outcome.INVALID or (needs_value and seen.value is NO_VALUE):
        return _invalid(seen)
    return None


def _before_ending(seen: Observation) -> Failure | None:
    """The verdicts that come first, whatever the kind of test."""
    if seen.end is End.LOST:
        return Failure(Verdict.SANDBOX_ERROR, "no sandbox could answer; run it again")
    if seen.end is End.NOT_RUN:
        return Failure(Verdict.SKIPPED)
    if seen.outcome is Outcome.COMPILE_ERROR:
        return Failure(Verdict.COMPILE_ERROR, exception=seen.exception)
    if crossed := _crossed_limit(seen):
        return crossed
    if seen.outcome is Outcome.RAISED:
        return Failure(Verdict.RUNTIME_ERROR, exception=seen.exception)
    return None


def _crossed_limit(seen: Observation) -> Failure | None:
    killed_by: Any = seen.code if seen.end is End.SIGNALED else None
    if seen.outcome is Outcome.MEMORY or seen.end is End.MEMORY_LIMIT:
        return Failure(Verdict.MEMORY_LIMIT, exception=seen.exception)
    if seen.end is End.CPU_LIMIT or killed_by == signal.SIGXCPU:
        return Failure(Verdict.TIME_LIMIT, limit="cpu")
    if seen.end is End.WALL_LIMIT:
        return Failure(Verdict.TIME_LIMIT, limit="wall")
    if seen.end is End.OUTPUT_LIMIT or seen.truncated or killed_by == signal.SIGXFSZ:
        return Failure(Verdict.OUTPUT_LIMIT)
    return None


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"


def _killed(number: int | None) -> Failure:
    name = _signal_name(number)
    info = ExceptionInfo(type=name, message=f"killed by {name} (signal {number})")
    return Failure(Verdict.RUNTIME_ERROR, exception=info)


def _exit_status(status: int) -> Failure:
    info = ExceptionInfo(type="SystemExit", message=f"exit status {status}")
    return Failure(Verdict.RUNTIME_ERROR, exception=info)


def _early(how: str) -> Failure:
    return Failure(Verdict.EXITED_EARLY, f"the process ended before it had answered: {how}")


def _invalid(seen: Observation) -> Failure:
    return Failure(Verdict.INVALID_VALUE, seen.message or "answered without a value")
