"""What the types of the contract cannot say: a request against this server's maxima, and its tests
as plans.
"""

import time
from collections.abc import Sequence
from typing import Any

from executor_api.judge.plan import Plan, PlanError, guest_call, plan
from executor_api.languages import PYTHON
from executor_api.settings import Maxima
from executor_api.wire import ExecuteProgram, ExecuteRequest, TraceProgram, TraceRequest

__all__ = ["BadRequest", "TooMuchWork", "batch", "calls", "plans"]


class BadRequest(Exception):
    """A field of the request cannot be used; becomes a 422."""

    def __init__(self, loc: Sequence[str | int], message: str, value: object) -> None:
        super().__init__(message)
        self.loc, self.message, self.value = tuple(loc), message, value


class TooMuchWork(Exception):
    """The batch's deadline came while its tests were being read; becomes a 413."""


def batch(request: ExecuteRequest | TraceRequest, maxima: Maxima) -> None:
    """Check what concerns the whole batch."""
    if len(request.programs) > maxima.programs:
        raise BadRequest(
            ("programs",),
            f"at most {maxima.programs} programs travel in one request: split the batch",
            len(request.programs),
        )
    _check_maximum("deadline_seconds", request.deadline_seconds, (), maxima)


def plans(request: ExecuteRequest, maxima: Maxima) -> list[tuple[ExecuteProgram, Plan]]:
    """Check the programs, and plan their tests."""
    end = time.monotonic() + request.deadline_seconds
    made = []
    for index, program in enumerate(request.programs):
        if index and time.monotonic() > end:
            raise TooMuchWork(
                f"reading the tests of {index} of {len(request.programs)} programs took longer "
                f"than deadline_seconds, {request.deadline_seconds:g}"
            )
        made.append((program, _plan(program, ("programs", index), maxima)))
    return made


def calls(request: TraceRequest, maxima: Maxima) -> list[dict[str, Any] | None]:
    """Check the programs; return their calls in the form the guest takes."""
    for index, program in enumerate(request.programs):
        _check_limits(program, ("programs", index), maxima)
    return [_guest_call(program, index) for index, program in enumerate(request.programs)]


def _plan(program: ExecuteProgram, loc: tuple[str | int, ...], maxima: Maxima) -> Plan:
    _check_limits(program, loc, maxima)
    if len(program.tests) > maxima.tests:
        raise BadRequest(
            (*loc, "tests"), f"a program has at most {maxima.tests} tests", len(program.tests)
        )
    if program.language != PYTHON:
        if program.coverage:
            raise BadRequest(
                (*loc, "coverage"),
                f"of Python programs only, and this one is in {program.language}: leave it out",
                True,
            )
        _check_kinds(program, loc)
    try:
        return plan(program)
    except PlanError as error:
        raise BadRequest((*loc, *error.loc), error.message, error.value) from None


def _check_kinds(program: ExecuteProgram, loc: tuple[str | int, ...]) -> None:
    for index, test in enumerate(program.tests):
        if test.kind != "stdio":
            raise BadRequest(
                (*loc, "tests", index, "kind"),
                f"a program in {program.language} takes tests of kind 'stdio' only; calls and "
                "assertions need Python",
                test.kind,
            )


def _guest_call(program: TraceProgram, index: int) -> dict[str, Any] | None:
    """The ``call`` of a traced program in the form the guest takes."""
    if program.call is None:
        return None
    try:
        return guest_call(program.call)
    except PlanError as error:
        loc = ("programs", index, "call", *error.loc)
        raise BadRequest(loc, error.message, error.value) from None


def _check_limits(
    program: ExecuteProgram | TraceProgram, loc: tuple[str | int, ...], maxima: Maxima
) -> None:
    for name, value in program.limits:
        _check_maximum(name, value, (*loc, "limits"), maxima)


def _check_maximum(name: str, value: float, loc: tuple[str | int, ...], maxima: Maxima) -> None:
    most = getattr(maxima, name)
    if value > most:
        raise BadRequest((*loc, name), f"this server's maximum is {most:g}", value)
