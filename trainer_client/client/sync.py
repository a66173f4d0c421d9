"""The client for code without an event loop, or beside one: notebooks, callbacks, scripts."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from executor_api.wire import ExecuteResult, TraceResult, VersionInfo
from trainer_client.client.asynchronous import (
    ExecuteProgramLike,
    ExecutorClient,
    TraceProgramLike,
)
from trainer_client.client.exceptions import ExecutorError
from trainer_client.client.stats import ClientStats

T = TypeVar("T")


class SyncExecutorClient:
    """``ExecutorClient`` on an event loop of its own, in a thread of its own.

    Takes the same arguments, has the same methods without ``await``, and may be called from any
    thread, several at a time, also from one in which an event loop is running. Close it, or use
    it as a context manager.
    """

    def __init__(
        self, endpoints: str | Sequence[str], api_key: str | None = None, **settings: Any
    ) -> None:
        self._client = ExecutorClient(endpoints, api_key, **settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="executor-client", daemon=True
        )
        self._thread.start()
        self._lock = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"Sync{self._client!r}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is under way, close the connections, end the thread. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True  # from here on nobody else reaches the loop
        for last in (_cancel_others(), self._client.aclose()):
            asyncio.run_coroutine_threadsafe(last, self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @overload
    def execute(
        self,
        programs: Sequence[ExecuteProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: Literal[False] = False,
    ) -> list[ExecuteResult]: ...

    @overload
    def execute(
        self,
        programs: Sequence[ExecuteProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool,
    ) -> list[ExecuteResult | ExecutorError]: ...

    def execute(
        self,
        programs: Sequence[ExecuteProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool = False,
    ) -> list[ExecuteResult] | list[ExecuteResult | ExecutorError]:
        """As ``ExecutorClient.execute``."""
        return self._wait(
            self._client.execute(
                programs, deadline_seconds=deadline_seconds, return_exceptions=return_exceptions
            )
        )

    @overload
    def trace(
        self,
        programs: Sequence[TraceProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: Literal[False] = False,
    ) -> list[TraceResult]: ...

    @overload
    def trace(
        self,
        programs: Sequence[TraceProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool,
    ) -> list[TraceResult | ExecutorError]: ...

    def trace(
        self,
        programs: Sequence[TraceProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool = False,
    ) -> list[TraceResult] | list[TraceResult | ExecutorError]:
        """As ``ExecutorClient.trace``."""
        return self._wait(
            self._client.trace(
                programs, deadline_seconds=deadline_seconds, return_exceptions=return_exceptions
            )
        )

    def version(self, *, deadline_seconds: float = 30.0) -> VersionInfo:
        """As ``ExecutorClient.version``."""
        return self._wait(self._client.version(deadline_seconds=deadline_seconds))

    def ready(self, *, wait_seconds: float = 0.0) -> bool:
        """As ``ExecutorClient.ready``."""
        return self._wait(self._client.ready(wait_seconds=wait_seconds))

    def stats(self) -> ClientStats:
        """As ``ExecutorClient.stats``."""
        return self._client.stats()

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the loop. Bounded by the coroutine's own deadline."""
        with self._lock:
            if self._closed:
                coroutine.close()
                raise RuntimeError(f"{self!r} is closed: make a new one")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:  # KeyboardInterrupt: leave nothing running
            future.cancel()
            raise


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
