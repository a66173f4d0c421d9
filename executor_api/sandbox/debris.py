"""Ended sandboxes of which something is left, because it could not be removed at that moment: for
want of a descriptor, memory or a thread, or because the Docker daemon was away."""

import asyncio
from collections.abc import Awaitable, Callable

_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0


class Debris:
    """Tries again, less and less often. ``remove`` is given a sandbox's id, and says whether
    nothing of it is left; it logs, and never raises."""

    def __init__(self, remove: Callable[[str], Awaitable[bool]]) -> None:
        self._remove = remove
        self._left: set[str] = set()
        self._sweeper: asyncio.Task[None] | None = None

    async def remove(self, sandbox_id: str) -> None:
        """Remove a sandbox's traces, now or later."""
        if not await self._remove(sandbox_id):
            self._left.add(sandbox_id)
            self._sweeper = self._sweeper or asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Try for the last time."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(*map(self._remove, self._left))

    async def _sweep(self) -> None:
        wait = _FIRST_WAIT_SECONDS
        while self._left:
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
            for sandbox_id in tuple(self._left):
                if await self._remove(sandbox_id):
                    self._left.discard(sandbox_id)
        self._sweeper = None
