"""The parts of ``ExecutorClient`` that its callers need: whatever has them can stand in for it.

``Executor`` raises the first failure; ``LenientExecutor`` and ``Tracer`` put each in the place of
its program's answer, and are always asked to.
"""

from collections.abc import Sequence
from typing import Protocol

from executor_api.wire import ExecuteProgram, ExecuteResult, TraceProgram, TraceResult
from trainer_client.client.answers import Answer
from trainer_client.client.exceptions import ExecutorError

__all__ = ["Executor", "LenientExecutor", "Trace", "Tracer"]

Trace = TraceResult | ExecutorError
"""Of ``trace(…, return_exceptions=True)``."""


class Executor(Protocol):
    async def execute(
        self, programs: Sequence[ExecuteProgram], *, deadline_seconds: float | None = None
    ) -> list[ExecuteResult]: ...


class LenientExecutor(Protocol):
    async def execute(
        self,
        programs: Sequence[ExecuteProgram],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool,
    ) -> list[Answer]: ...


class Tracer(Protocol):
    async def trace(
        self,
        programs: Sequence[TraceProgram],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool,
    ) -> list[Trace]: ...
