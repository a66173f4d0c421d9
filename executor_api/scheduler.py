"""Who runs next, and where: warm sandboxes behind the queue.

Each of ``sandboxes`` workers owns one warm sandbox and takes jobs one at a time. A sandbox that
dies or looks odd is thrown away and its job tried on another; a sandbox serves one API key until
it is replaced.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog

from executor_api import metrics
from executor_api.fair_queue import (
    Job,
    KeyShareFull,
    NeverFits,
    Queue,
    QueueFull,
    Refused,
    Room,
    Served,
    Work,
)
from executor_api.sandbox.link import Link
from executor_api.sandbox.runtime import Runtime, SandboxDied

__all__ = [
    "DeadlinePassed",
    "Job",
    "KeyShareFull",
    "Lost",
    "NeverFits",
    "NotReady",
    "QueueFull",
    "Refused",
    "Room",
    "Scheduler",
    "Stopping",
    "Work",
]

log = structlog.get_logger()

_STOP_SECONDS = 30.0
_BACKOFF_SECONDS = (0.1, 0.5, 2.0, 5.0)
_IDLE_DEATH_SECONDS = 0.5
"""From the death of an idle sandbox to the start of the next: it may be one of many."""
_OBSERVE_SECONDS = 1.0
_ABANDONED_SECONDS = 0.5
"""For a program whose caller has left: a new sandbox costs about as much."""
_LONGEST_RETRY_SECONDS = 60
_FIRST_GUESS_SECONDS = 0.05
_PACE_WEIGHT = 1 / 32


class Stopping(Exception):
    """The service is about to end: ask again later, or elsewhere."""


class NotReady(Stopping):
    """No sandbox has answered yet: ask again later, or elsewhere."""


class DeadlinePassed(Exception):
    """The request's deadline came before the job was done."""


class Abandoned(Exception):
    """Nobody waits for the job any more."""


class Lost(Exception):
    """Every sandbox the job was tried on died: no verdict."""


class Scheduler:
    """Runs jobs on ``sandboxes`` warm sandboxes of ``runtime``."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        sandboxes: int,
        room: Room,
        key_room: Callable[[str], Room],
        attempts: int,
        programs_per_sandbox: int,
        spare_mb: int,
    ) -> None:
        self._runtime, self._attempts, self._lifetime = runtime, attempts, programs_per_sandbox
        self._spare_mb = spare_mb
        self._queue = Queue(room, key_room)
        self._count = sandboxes
        self._tasks: list[asyncio.Task[None]] = []
        self._retiring: set[asyncio.Task[None]] = set()
        self._answered = asyncio.Event()
        self._unfinished: set[Job] = set()
        self._ready = self._leased = 0
        self._pace = _FIRST_GUESS_SECONDS
        self._stop_at = math.inf
        self.guest_python = ""
        self.guest_tools: list[str] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._worker()) for _ in range(self._count)]
        self._tasks.append(asyncio.create_task(self._observe_regularly()))

    async def drain(self, seconds: float) -> None:
        """Admit nothing more; return when every job is done, or after ``seconds``, when the others
        have ended with ``Stopping``."""
        self._stop_at = time.monotonic() + seconds
        if self._unfinished:
            await asyncio.wait([job.done for job in self._unfinished], timeout=seconds)
        self.give_up()

    def give_up(self) -> None:
        """Admit nothing more, and end every job with ``Stopping``."""
        self._stop_at = time.monotonic()
        for job in tuple(self._unfinished):
            _settle(job, Stopping())

    async def close(self) -> None:
        """End the workers, every job and every sandbox."""
        self.give_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=_STOP_SECONDS)
        self.observe()

    @property
    def ready(self) -> bool:
        """Whether a sandbox has answered, and programs are admitted."""
        return self._answered.is_set() and not self.draining

    @property
    def draining(self) -> bool:
        return self._stop_at < math.inf

    async def wait_ready(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await self._answered.wait()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def observe(self) -> None:
        """Bring the gauges up to date."""
        metrics.QUEUE_DEPTH.set(len(self._queue))
        metrics.QUEUE_BYTES.set(self._queue.bytes)
        metrics.QUEUE_OLDEST_SECONDS.set(self._queue.oldest_seconds())
        metrics.SANDBOXES_READY.set(self._ready)
        metrics.SANDBOXES_LEASED.set(self._leased)
        metrics.observe_keys(self._queue.waiting())

    async def _observe_regularly(self) -> None:
        """For the scrapes that another process answers."""
        while True:
            self.observe()
            await asyncio.sleep(_OBSERVE_SECONDS)

    def check(self, key: str, programs: int = 1) -> None:
        """Whether there is room, before any work on a request: ``Refused``, ``NeverFits``,
        ``Stopping``."""
        if self.draining:
            raise Stopping
        self._queue.check(key, programs, 0)

    async def submit(
        self,
        key: str,
        work: Sequence[Work],
        deadline: float,
        fresh: Sequence[bool],
        sizes: Sequence[int],
    ) -> list[Job]:
        """Admit one job for each of ``work``, or none: ``Refused``, ``NeverFits``, ``Stopping``.

        ``done`` of each resolves to what its work returned, or raises ``Lost``,
        ``DeadlinePassed`` or ``Stopping``.
        """
        if self.draining:
            raise Stopping
        loop = asyncio.get_running_loop()
        request = structlog.contextvars.get_contextvars().get("request_id")
        requests = () if request is None else (request,)
        jobs = [
            Job(key, item, deadline, alone, loop.create_future(), size, requests)
            for item, alone, size in zip(work, fresh, sizes, strict=True)
        ]
        self._queue.put(jobs)
        self._unfinished.update(jobs)
        metrics.KEY_PROGRAMS.labels(metrics.key_label(key)).inc(len(jobs))
        for job in jobs:
            job.done.add_done_callback(partial(self._finished, job))
        return jobs

    def _finished(self, job: Job, _done: asyncio.Future[Any]) -> None:
        self._unfinished.discard(job)

    def retry_after(self, refusal: Refused | Stopping) -> int:
        """Seconds, 1 to 60, after which there is likely to be room, by the pace of late."""
        if isinstance(refusal, Stopping):
            seconds = min(
                self._seconds_for(len(self._unfinished)), self._stop_at - time.monotonic()
            )
        else:
            seconds = self._seconds_for(refusal.excess_programs)
        if isinstance(refusal, KeyShareFull):
            seconds *= max(1, self._queue.keys)  # each has the same share of the sandboxes
        return max(1, min(_LONGEST_RETRY_SECONDS, math.ceil(seconds)))

    def _seconds_for(self, programs: int) -> float:
        return programs * self._pace / self._count

    async def _worker(self) -> None:
        link: Link | None = None
        me = Served()
        key: str | None = None
        served = 0
        try:
            while True:
                link = link or await self._start()
                job = await self._next(me, link)
                if job is None:
                    self._retire(link, "died")
                    link, served = None, 0
                    await asyncio.sleep(_IDLE_DEATH_SECONDS)
                    continue
                if job.done.done() or self._too_late(job):
                    continue
                began = time.monotonic()
                if served and (job.key != key or job.fresh_sandbox):
                    self._retire(link, "key" if job.key != key else "isolation")
                    link, served = None, 0
                    link = await self._start()
                key, served = job.key, served + 1
                why = await self._lease(job, link)
                self._pace += (time.monotonic() - began - self._pace) * _PACE_WEIGHT
                if why is None and (job.fresh_sandbox or served >= self._lifetime):
                    why = "isolation" if job.fresh_sandbox else "age"
                if why is not None:
                    self._retire(link, why)
                    link, served = None, 0
        finally:
            if link is not None:
                self._retire(link, "shutdown")

    async def _next(self, me: Served, link: Link) -> Job | None:
        """The next job; None where the sandbox dies while there is none. Were that left for the
        next job to find out, one that meets several dead sandboxes in a row would be lost."""
        if self.waiting:
            return await self._queue.get(me)
        job = asyncio.ensure_future(self._queue.get(me))
        death = asyncio.ensure_future(link.death())
        try:
            await asyncio.wait((job, death), return_when=asyncio.FIRST_COMPLETED)
        finally:
            job.cancel()
            death.cancel()
            await asyncio.wait((job, death))
        if death.cancelled():
            return job.result()
        if not job.cancelled():
            self._queue.put_back(job.result())
        metrics.INFRASTRUCTURE_ERRORS.labels("died").inc()
        log.warning("idle sandbox died", sandbox=link.sandbox.id, error=death.result())
        return None

    async def _lease(self, job: Job, link: Link) -> str | None:
        self._leased += 1
        began = time.monotonic()
        try:
            return await self._perform(job, link)
        finally:
            self._leased -= 1
            label = metrics.key_label(job.key)
            metrics.KEY_SANDBOX_SECONDS.labels(label).inc(time.monotonic() - began)

    @staticmethod
    def _too_late(job: Job) -> bool:
        if asyncio.get_running_loop().time() < job.deadline:
            return False
        _settle(job, DeadlinePassed())
        return True

    async def _start(self) -> Link:
        """Start a sandbox, however long that takes: without one the worker has no use."""
        failures = 0
        while True:
            try:
                return await self._start_once()
            except Exception as error:  # whatever it was, the service goes on
                metrics.INFRASTRUCTURE_ERRORS.labels("start").inc()
                wait = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
                log.error("sandbox did not start", error=repr(error), retry_in_seconds=wait)
                await asyncio.sleep(wait)
                failures += 1

    async def _start_once(self) -> Link:
        link = Link(await self._runtime.start())
        try:
            await link.ready(self._spare_mb)
        except BaseException:
            self._retire(link, "unready")
            raise
        metrics.SANDBOXES_STARTED.inc()
        self._ready += 1
        self.guest_python, self.guest_tools = link.python, link.tools
        self._answered.set()
        return link

    def _retire(self, link: Link, reason: str) -> None:
        """Throw a sandbox away, off the path of the jobs."""
        metrics.SANDBOXES_RETIRED.labels(reason).inc()
        if reason != "unready":
            self._ready -= 1
        task = asyncio.create_task(link.sandbox.stop())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _perform(self, job: Job, link: Link) -> str | None:
        """Run a job; return why the sandbox has to go, or None."""
        job.attempts += 1
        job.queue_seconds = time.monotonic() - job.submitted
        metrics.QUEUE_SECONDS.observe(job.queue_seconds)
        try:
            async with asyncio.timeout_at(job.deadline):
                result = await self._work(job, link)
        except Abandoned:
            return "abandoned"
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
            log.exception("job failed", requests=job.requests)
            _settle(job, error)
            return "defect"
        if not job.done.done():
            job.done.set_result(result)
        if link.clean:
            return None
        log.warning(
            "sandbox unclean",
            sandbox=link.sandbox.id,
            why=str(link.why)[:500],
            requests=job.requests,
        )
        return "unclean"

    @staticmethod
    async def _work(job: Job, link: Link) -> Any:
        """The work's result; ``Abandoned`` where it goes on after its caller has left."""
        work = asyncio.ensure_future(job.work(link))
        try:
            await asyncio.wait((work, job.done), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await asyncio.wait((work,), timeout=_ABANDONED_SECONDS)
            if not work.done():
                raise Abandoned
            return work.result()
        finally:
            work.cancel()

    async def _failed(self, job: Job, link: Link, error: SandboxDied) -> None:
        metrics.INFRASTRUCTURE_ERRORS.labels("died").inc()
        log.warning(
            "sandbox died",
            error=str(error),
            sandbox=link.sandbox.id,
            why=await self._why(link),
            attempt=job.attempts,
            requests=job.requests,
        )
        if job.attempts < self._attempts:
            self._queue.put_back(job)
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
        job.done.exception()  # its caller may never ask: nothing to log
