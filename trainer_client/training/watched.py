"""The executor of a run, which is given up as soon as it is known to have ended."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from executor_api.wire import ExecuteProgram, TraceProgram
from trainer_client.client.answers import Answer
from trainer_client.client.types import LenientExecutor, Trace, Tracer
from trainer_client.local_executor import check_started

__all__ = ["RunExecutor", "Watched"]

LOOK_SECONDS = 0.5

T = TypeVar("T")


class RunExecutor(LenientExecutor, Tracer, Protocol):
    """What a run needs of an executor: verdicts and traces."""


class Watched:
    """Passes every call on. Where the executor at ``urls`` was started here and has ended, the
    call raises ``ExecutorNotReady`` at once: the client would go on trying to reach it."""

    def __init__(self, executor: RunExecutor, urls: Sequence[str]) -> None:
        self._executor = executor
        self._urls = urls

    async def execute(
        self,
        programs: Sequence[ExecuteProgram],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool,
    ) -> list[Answer]:
        return await self._watching(
            self._executor.execute(
                programs, deadline_seconds=deadline_seconds, return_exceptions=return_exceptions
            )
        )

    async def trace(
        self,
        programs: Sequence[TraceProgram],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool,
    ) -> list[Trace]:
        return await self._watching(
            self._executor.trace(
                programs, deadline_seconds=deadline_seconds, return_exceptions=return_exceptions
            )
        )

    async def _watching(self, call: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(call)
        try:
            while not task.done():
                check_started(self._urls)
                await asyncio.wait([task], timeout=LOOK_SECONDS)
            return task.result()
        finally:
            task.cancel()
