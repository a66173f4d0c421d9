"""Costly work in threads, a few pieces of one API key at a time.

All keys share the threads, and there are few: without turns, the large batches of one key would
hold all of them, and another key's single program would wait for minutes to be read.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from executor_api.fair_queue import Refused

__all__ = ["NoTurn", "Turns"]

T = TypeVar("T")

_AT_ONCE = 2


class NoTurn(Refused):
    """What the key asked for before is still being worked on."""


class _Line:
    """Those of one key that have, or wait for, a turn."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(_AT_ONCE)
        self.length = 0

    async def turn(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.turns.acquire()
        except TimeoutError:
            raise NoTurn(0) from None


class Turns:
    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    def __len__(self) -> int:
        """Keys of which something runs or waits."""
        return len(self._lines)

    async def run(self, key: str, seconds: float, work: Callable[[], T]) -> T:
        """What ``work`` returns, done in a thread; ``NoTurn`` where its turn does not come within
        ``seconds``. A caller who is cancelled leaves its turn taken until the thread is done."""
        line = self._lines.setdefault(key, _Line())
        line.length += 1
        try:
            await line.turn(seconds)
        except BaseException:
            self._leave(key, line)
            raise
        done = asyncio.ensure_future(asyncio.to_thread(work))
        done.add_done_callback(partial(self._end, key, line))
        return await asyncio.shield(done)

    def _end(self, key: str, line: _Line, done: object) -> None:
        line.turns.release()
        self._leave(key, line)

    def _leave(self, key: str, line: _Line) -> None:
        line.length -= 1
        if not line.length:
            del self._lines[key]
