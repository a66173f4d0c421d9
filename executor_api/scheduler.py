"""Who runs next, and where: a bounded queue, fair between API keys, in front of warm sandboxes.

Each of ``sandboxes`` workers owns one warm sandbox and takes jobs one at a time. A sandbox that
dies or looks odd is thrown away and its job tried on another; a sandbox serves one API key until
it is replaced.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from executor_api import metrics
from executor_api.sandbox.link import Link
from executor_api.sandbox.runtime import Runtime, RuntimeUnavailable, SandboxDied

log = structlog.get_logger()

Work = Callable[[Link], Awaitable[Any]]

_TURN = 32
"""Programs of one key a worker runs before another waiting key has its turn: changing the key
costs a new sandbox."""

_STOP_SECONDS = 30.0
_BACKOFF_SECONDS = (0.1, 0.5, 2.0, 5.0)


class QueueFull(Exception):
    """The service holds as many programs as it may."""


class KeyShareFull(Exception):
    """This key holds as many programs as it may."""


class DeadlinePassed(Exception):
    """The request's deadline came before the job was done."""


class Lost(Exception):
    """Every sandbox the job was tried on died: no verdict."""


@dataclass(eq=False, slots=True)
class Job:
    """One program waiting for a sandbox. ``deadline`` is in the loop's clock."""

    key: str
    work: Work
    deadline: float
    fresh_sandbox: bool
    done: asyncio.Future[Any]
    submitted: float = field(default_factory=time.monotonic)
    attempts: int = 0
    queue_seconds: float = 0.0


class Queue:
    """First in first out within a key, turn by turn between keys."""

    def __init__(self, limit: int, key_limit: int) -> None:
        self._limit, self._key_limit = limit, key_limit
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._size = 0
        self._arrived = asyncio.Condition()

    def __len__(self) -> int:
        return self._size

    async def put(self, jobs: Sequence[Job]) -> None:
        """Admit all of ``jobs`` (of one key) or none."""
        key = jobs[0].key
        if self._size + len(jobs) > self._limit:
            raise QueueFull
        if len(self._waiting.get(key, ())) + len(jobs) > self._key_limit:
            raise KeyShareFull
        async with self._arrived:
            self._waiting.setdefault(key, deque()).extend(jobs)
            self._size += len(jobs)
            self._arrived.notify(len(jobs))

    async def put_back(self, job: Job) -> None:
        """Return a job whose sandbox died to the head of its line."""
        async with self._arrived:
            self._waiting.setdefault(job.key, deque()).appendleft(job)
            self._size += 1
            self._arrived.notify()

    async def get(self, key: str | None, taken: int) -> Job:
        """The next job: of ``key``, while it has had fewer than ``_TURN`` or is alone."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self._size)
            if key not in self._waiting or (taken >= _TURN and len(self._waiting) > 1):
                key = next(name for name in self._waiting if name != key or len(self._waiting) == 1)
            assert key is not None
            line = self._waiting[key]
            job = line.popleft()
            self._size -= 1
            if line:
                self._waiting.move_to_end(key)
            else:
                del self._waiting[key]
            return job


class Scheduler:
    """Runs jobs on ``sandboxes`` warm sandboxes of ``runtime``."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        sandboxes: int,
        queue_programs: int,
        key_programs: int,
        attempts: int,
        programs_per_sandbox: int,
    ) -> None:
        self._runtime, self._attempts, self._lifetime = runtime, attempts, programs_per_sandbox
        self._queue = Queue(queue_programs, key_programs)
        self._count = sandboxes
        self._workers: list[asyncio.Task[None]] = []
        self._stopping: set[asyncio.Task[None]] = set()
        self._answered = asyncio.Event()
        self.guest_python = ""
        self.guest_tools: list[str] = []

    async def start(self) -> None:
        self._workers = [asyncio.create_task(self._worker()) for _ in range(self._count)]

    async def close(self) -> None:
        """End the workers and every sandbox. Jobs still waiting are cancelled."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=_STOP_SECONDS)

    @property
    def ready(self) -> bool:
        """Whether a sandbox has answered."""
        return self._answered.is_set()

    async def wait_ready(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await self._answered.wait()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def submit(
        self, key: str, work: Sequence[Work], deadline: float, fresh: Sequence[bool]
    ) -> list[Job]:
        """Admit one job for each of ``work``, or none: ``QueueFull``, ``KeyShareFull``.

        ``done`` of each resolves to what its work returned, or raises ``Lost`` or
        ``DeadlinePassed``.
        """
        loop = asyncio.get_running_loop()
        jobs = [
            Job(key, item, deadline, alone, loop.create_future())
            for item, alone in zip(work, fresh, strict=True)
        ]
        await self._queue.put(jobs)
        metrics.QUEUE_DEPTH.set(self.waiting)
        return jobs

    async def _worker(self) -> None:
        link: Link | None = None
        key: str | None = None
        taken = served = 0
        try:
            while True:
                link = link or await self._start()
                job = await self._queue.get(key, taken)
                metrics.QUEUE_DEPTH.set(self.waiting)
                if job.done.done() or self._too_late(job):
                    continue
                if served and (job.key != key or job.fresh_sandbox):
                    self._retire(link, "key" if job.key != key else "isolation")
                    link, served = None, 0
                    link = await self._start()
                taken = taken + 1 if job.key == key else 1
                key, served = job.key, served + 1
                why = await self._perform(job, link)
                if why is None and (job.fresh_sandbox or served >= self._lifetime):
                    why = "isolation" if job.fresh_sandbox else "age"
                if why is not None:
                    self._retire(link, why)
                    link, served = None, 0
        finally:
            if link is not None:
                self._retire(link, "shutdown")

    @staticmethod
    def _too_late(job: Job) -> bool:
        if asyncio.get_running_loop().time() < job.deadline:
            return False
        job.done.set_exception(DeadlinePassed())
        return True

    async def _start(self) -> Link:
        """Start a sandbox, however long that takes: without one the worker has no use."""
        failures = 0
        while True:
            try:
                return await self._start_once()
            except (SandboxDied, RuntimeUnavailable, OSError) as error:
                metrics.INFRASTRUCTURE_ERRORS.labels("start").inc()
                wait = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
                log.error("sandbox did not start", error=str(error), retry_in_seconds=wait)
                await asyncio.sleep(wait)
                failures += 1

    async def _start_once(self) -> Link:
        link = Link(await self._runtime.start())
        try:
            await link.ready()
        except BaseException:
            self._retire(link, "unready")
            raise
        metrics.SANDBOXES_STARTED.inc()
        metrics.SANDBOXES_READY.inc()
        self.guest_python, self.guest_tools = link.python, link.tools
        self._answered.set()
        return link

    def _retire(self, link: Link, reason: str) -> None:
        """Throw a sandbox away, off the path of the jobs."""
        metrics.SANDBOXES_RETIRED.labels(reason).inc()
        if reason != "unready":
            metrics.SANDBOXES_READY.dec()
        task = asyncio.create_task(link.sandbox.stop())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _perform(self, job: Job, link: Link) -> str | None:
        """Run a job; return why the sandbox has to go, or None."""
        job.attempts += 1
        job.queue_seconds = time.monotonic() - job.submitted
        metrics.QUEUE_SECONDS.observe(job.queue_seconds)
        try:
            async with asyncio.timeout_at(job.deadline):
                result = await job.work(link)
        except SandboxDied as error:
            await self._failed(job, link, error)
            return "died"
        except TimeoutError:
            _settle(job, DeadlinePassed())
            return "deadline"
        except asyncio.CancelledError:
            job.done.cancel()
            raise
        except Exception as error:  # a defect of ours: the request fails, the service goes on
            log.exception("job failed")
            _settle(job, error)
            return "defect"
        if not job.done.done():
            job.done.set_result(result)
        return None if link.clean else "unclean"

    async def _failed(self, job: Job, link: Link, error: SandboxDied) -> None:
        metrics.INFRASTRUCTURE_ERRORS.labels("died").inc()
        log.warning(
            "sandbox died",
            error=str(error),
            sandbox=link.sandbox.id,
            why=await self._why(link),
            attempt=job.attempts,
        )
        if job.attempts < self._attempts:
            await self._queue.put_back(job)
        else:
            _settle(job, Lost(str(error)))

    @staticmethod
    async def _why(link: Link) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                return await link.sandbox.why_dead()
        return "still running"


def _settle(job: Job, error: Exception) -> None:
    if not job.done.done():
        job.done.set_exception(error)
