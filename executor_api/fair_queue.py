"""Programs that wait: a bounded queue, first in first out within an API key, fair between keys.

A worker that asks for its next job goes on with the key it serves for ``TURN_SECONDS``, then the
waiting key that the fewest workers serve has its turn, the longest unserved first. So with as many
workers as keys nobody changes, and a key's single program waits for about one turn however much
another key has queued. A job whose caller gives up leaves the queue at once.
"""

import asyncio
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from executor_api.sandbox.link import Link

Work = Callable[[Link], Awaitable[Any]]

TURN_SECONDS = 1.0
"""A worker serves one key before another that waits: changing costs a new sandbox, about 0.3 s."""


class Refused(Exception):
    """There is no room now. ``excess_programs`` must be done before there is."""

    def __init__(self, excess_programs: int) -> None:
        super().__init__(excess_programs)
        self.excess_programs = excess_programs


class QueueFull(Refused):
    """The service holds as many programs, or bytes of them, as it may."""


class KeyShareFull(Refused):
    """This key holds as many programs, or bytes of them, as it may."""


class NeverFits(Exception):
    """The batch is larger than the room there is when nothing waits. The message says by what."""


@dataclass(eq=False, slots=True)
class Job:
    """One program waiting for a sandbox. ``deadline`` is in the loop's clock."""

    key: str
    work: Work
    deadline: float
    fresh_sandbox: bool
    done: asyncio.Future[Any]
    size: int = 0
    """Bytes of the program and its tests."""
    requests: tuple[str, ...] = ()
    """Identifiers of the requests that wait for it, for the log."""
    submitted: float = field(default_factory=time.monotonic)
    attempts: int = 0
    queue_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Room:
    """What may wait at one time."""

    programs: int
    bytes: int


class _Line:
    """The jobs of one key, in order; removal from the middle is cheap."""

    def __init__(self) -> None:
        self.jobs: OrderedDict[Job, None] = OrderedDict()
        self.bytes = 0


@dataclass(eq=False, slots=True)
class Served:
    """What a worker tells the queue of itself."""

    key: str | None = None
    since: float = 0.0
    """Start of the turn, in ``time.monotonic``."""


class Queue:
    """``room`` for all keys together, ``key_room`` for the key of a name."""

    def __init__(self, room: Room, key_room: Callable[[str], Room]) -> None:
        self._room, self._key_room = room, key_room
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        """Of the keys that wait, the longest unserved first."""
        self._programs = self._bytes = 0
        self._serving: Counter[str] = Counter()
        self._idle: OrderedDict[Served, asyncio.Future[Job]] = OrderedDict()

    def __len__(self) -> int:
        return self._programs

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def keys(self) -> int:
        """How many keys have programs waiting."""
        return len(self._lines)

    def waiting(self) -> dict[str, tuple[int, int]]:
        """Programs and bytes that wait, by key."""
        return {key: (len(line.jobs), line.bytes) for key, line in self._lines.items()}

    def oldest_seconds(self) -> float:
        """Age of the job that waits longest; 0 where none waits."""
        heads = (next(iter(line.jobs)).submitted for line in self._lines.values())
        return max(0.0, time.monotonic() - min(heads, default=time.monotonic()))

    def check(self, key: str, programs: int, size: int) -> None:
        """Whether so much more of ``key`` may wait: ``NeverFits``, ``Refused``."""
        key_room = self._key_room(key)
        _check_ever_fits(programs, size, key_room)
        line = self._lines.get(key) or _Line()
        if excess := _excess(len(line.jobs), line.bytes, programs, size, key_room):
            raise KeyShareFull(excess)
        if excess := _excess(self._programs, self._bytes, programs, size, self._room):
            raise QueueFull(excess)

    def put(self, jobs: Sequence[Job]) -> None:
        """Admit all of ``jobs`` (of one key) or none, as ``check`` says."""
        self.check(jobs[0].key, len(jobs), sum(job.size for job in jobs))
        for job in jobs:
            self._add(job)
            job.done.add_done_callback(partial(self._discard, job))
        self._hand_out()

    def put_back(self, job: Job) -> None:
        """Return a job whose sandbox died to the head of its line."""
        if not job.done.done():
            self._add(job)
            self._lines[job.key].jobs.move_to_end(job, last=False)
            self._hand_out()

    async def get(self, worker: Served) -> Job:
        """The next job for ``worker``, whose ``key`` and ``since`` are brought up to date."""
        self._leave(worker)
        if self._programs:
            return self._take(worker, self._choose(worker))
        waiter: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._idle[worker] = waiter
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._leave(worker)
                self.put_back(waiter.result())
            raise
        finally:
            self._idle.pop(worker, None)

    def _leave(self, worker: Served) -> None:
        """The worker is free; it keeps its sandbox, and so its key."""
        if worker.key is not None and self._serving[worker.key] > 0:
            self._serving[worker.key] -= 1

    def _add(self, job: Job) -> None:
        line = self._lines.setdefault(job.key, _Line())
        line.jobs[job] = None
        line.bytes += job.size
        self._programs += 1
        self._bytes += job.size

    def _discard(self, job: Job, _done: asyncio.Future[Any]) -> None:
        line = self._lines.get(job.key)
        if line is not None and job in line.jobs:
            self._remove(line, job)

    def _remove(self, line: _Line, job: Job) -> None:
        del line.jobs[job]
        line.bytes -= job.size
        self._programs -= 1
        self._bytes -= job.size
        if not line.jobs:
            del self._lines[job.key]

    def _choose(self, worker: Served) -> str:
        turn_over = time.monotonic() - worker.since >= TURN_SECONDS
        if worker.key is not None and worker.key in self._lines and not turn_over:
            return worker.key
        return min(self._lines, key=lambda key: (self._serving[key], key == worker.key))

    def _take(self, worker: Served, key: str) -> Job:
        line = self._lines[key]
        job = next(iter(line.jobs))
        self._lines.move_to_end(key)
        self._remove(line, job)
        if key != worker.key or time.monotonic() - worker.since >= TURN_SECONDS:
            worker.key, worker.since = key, time.monotonic()
        self._serving[key] += 1
        return job

    def _hand_out(self) -> None:
        """Give waiting jobs to idle workers, rather to one that has the key's sandbox."""
        while self._programs and self._idle:
            key = next(iter(self._lines))
            worker = min(self._idle, key=lambda idle: (idle.key != key, idle.key is not None))
            waiter = self._idle.pop(worker)
            if not waiter.done():  # the worker is being cancelled
                waiter.set_result(self._take(worker, key))


def _check_ever_fits(programs: int, size: int, most: Room) -> None:
    if programs > most.programs:
        raise NeverFits(f"{programs} programs in one request, and at most {most.programs}")
    if size > most.bytes:
        raise NeverFits(f"{size} bytes of programs in one request, and at most {most.bytes}")


def _excess(waiting: int, waiting_bytes: int, more: int, more_bytes: int, room: Room) -> int:
    """How many of the waiting programs must go before ``more`` fit."""
    by_count = waiting + more - room.programs
    over = waiting_bytes + more_bytes - room.bytes
    by_bytes = math.ceil(over * waiting / waiting_bytes) if over > 0 else 0
    return max(0, by_count, by_bytes)
