"""One batch's way to its results: sent, cut off, sent again, overtaken, till nothing is missing."""

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import httpx
from pydantic import BaseModel
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from trainer_client.client import encoding, responses
from trainer_client.client.encoding import Batch
from trainer_client.client.endpoints import JITTER, Endpoint, EndpointPool, Lease
from trainer_client.client.exceptions import (
    ConnectionFailed,
    DeadlineExceeded,
    ExecutorError,
    InvalidRequest,
    Overloaded,
    ProtocolError,
    RequestTooLarge,
)
from trainer_client.client.responses import NDJSON, ResultT
from trainer_client.client.stats import Recorder

LOOK_SECONDS: Final = 0.25
"""How often a request under way is compared with what others would need."""
OVERTAKEN_AFTER_SECONDS: Final = 3.0
OVERTAKEN_FACTOR: Final = 3.0
"""A request is overtaken when another executor would have been done so many times over."""

logger = logging.getLogger("trainer_client")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[ResultT]):
    """One of the contract's endpoints that run programs."""

    path: str
    program: type[BaseModel]
    parse: Callable[[bytes], list[ResultT]]
    parse_line: Callable[[bytes], ResultT]
    lost: Callable[[ResultT], bool]
    """Whether the executor failed, so that another may know better."""


@dataclass(frozen=True, slots=True)
class Courier:
    """What all deliveries of a client share."""

    pool: EndpointPool
    recorder: Recorder
    slots: asyncio.Semaphore
    """One for each request that may be under way."""
    connection_attempts: int
    deduplicate: bool

    def retrying(self, stop: Callable[[RetryCallState], bool]) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type((ConnectionFailed, Overloaded, ProtocolError)),
            wait=self._wait,
            stop=stop,
            before_sleep=self._note_retry,
            reraise=True,
        )

    @asynccontextmanager
    async def sending(
        self, lease: Lease, tried: set[Endpoint], deadline: float
    ) -> AsyncIterator[str]:
        """Bound the time, and say every failure as an ``ExecutorError``; yields the URL."""
        url = lease.endpoint.url
        with self.pool.learning(lease, tried):
            try:
                async with asyncio.timeout_at(deadline):
                    yield url
            except TimeoutError:
                raise DeadlineExceeded(f"{url} did not answer in time") from None
            except httpx.HTTPError as error:
                raise responses.from_transport(error, url) from error

    def _wait(self, state: RetryCallState) -> float:
        return self.pool.seconds_until_one_is_awake() * random.uniform(1, 1 + JITTER)

    def _note_retry(self, state: RetryCallState) -> None:
        self.recorder.retries += 1
        error = state.outcome.exception() if state.outcome else None
        logger.warning("%s; trying again in %.1f s", error, state.upcoming_sleep)


class Patience:
    """When to stop retrying: too many failures of that kind in a row, or no time left to wait."""

    def __init__(self, connection_attempts: int, deadline: float) -> None:
        self._attempts: dict[type, float] = {
            Overloaded: math.inf,
            ConnectionFailed: connection_attempts,
            ProtocolError: 2,
        }
        self._left = dict(self._attempts)
        self._deadline = deadline

    def renew(self) -> None:
        """There was progress: count anew."""
        self._left = dict(self._attempts)

    def __call__(self, state: RetryCallState) -> bool:
        kind = type(state.outcome.exception() if state.outcome else None)
        self._left[kind] -= 1
        return self._left[kind] <= 0 or state.upcoming_sleep >= remaining(self._deadline)


@dataclass(slots=True)
class _Attempt:
    lease: Lease
    task: asyncio.Task[None]


@dataclass(slots=True)
class Delivery(Generic[ResultT]):
    """A batch and what has been answered of it. ``deadline`` is in the loop's clock.

    Every program is answered once: a result that comes late, from an executor that has been
    overtaken, is dropped. What a broken answer held is kept, and only the rest is sent again.
    """

    courier: Courier
    http: httpx.AsyncClient
    call: Call[ResultT]
    batch: Batch
    deadline: float
    _answers: dict[int, ResultT] = field(default_factory=dict)
    _lost: dict[int, ResultT] = field(default_factory=dict)
    """Executors' own failures, in case no other does better."""
    _tried: set[Endpoint] = field(default_factory=set)

    async def outcome(self, *, keep_going: bool) -> list[ResultT | ExecutorError]:
        """The batch's results in order. What has none raises, or with ``keep_going`` has the
        ``ExecutorError`` in its place."""
        failure: dict[int, ResultT | ExecutorError] = {}
        try:
            await self._until_complete()
        except ExecutorError as error:
            rest = [program for program in self._rest() if program.index not in self._lost]
            bad = _named(error, rest) if keep_going else []
            if isinstance(error, RequestTooLarge) and len(rest) > 1:
                failure = await self._in_halves(rest, keep_going)
            elif bad:  # the server refuses a batch as a whole, and names its first bad program
                self.courier.recorder.failures += 1
                good = [program for program in rest if program not in bad]
                failure = await self._in_halves(good, keep_going)
                failure |= {program.index: error for program in bad}
            elif rest:
                self.courier.recorder.failures += 1
                if not keep_going:
                    raise
                failure = {program.index: error for program in rest}
        self.courier.recorder.programs += len(self._lost.keys() - self._answers.keys())
        known: dict[int, ResultT | ExecutorError] = {**self._lost, **failure, **self._answers}
        return [known[program.index] for program in self.batch]

    async def _until_complete(self) -> None:
        patience = Patience(self.courier.connection_attempts, self.deadline)
        answered = 0

        def stop(state: RetryCallState) -> bool:
            nonlocal answered
            if len(self._answers) > answered:
                patience.renew()
            answered = len(self._answers)
            return self._only_lost_ones() or patience(state)

        while self._rest():
            await self.courier.retrying(stop)(self._send_rest)

    async def _in_halves(self, rest: Batch, keep_going: bool) -> dict[int, ResultT | ExecutorError]:
        middle = len(rest) // 2
        outcomes = await together(
            Delivery(self.courier, self.http, self.call, half, self.deadline).outcome(
                keep_going=keep_going
            )
            for half in (rest[:middle], rest[middle:])
        )
        flat = [answer for outcome in outcomes for answer in outcome]
        return {program.index: answer for program, answer in zip(rest, flat, strict=True)}

    def _rest(self) -> Batch:
        return [program for program in self.batch if program.index not in self._answers]

    def _only_lost_ones(self) -> bool:
        return all(program.index in self._lost for program in self._rest())

    async def _send_rest(self) -> None:
        rest = self._rest()
        async with self._slot():
            endpoint = await self.courier.pool.choose(len(rest), self._tried, self.deadline)
            await self._race(rest, endpoint)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """One of the ``max_in_flight``, held while a request is under way, not between retries."""
        try:
            async with asyncio.timeout_at(self.deadline):
                await self.courier.slots.acquire()
        except TimeoutError:
            raise DeadlineExceeded(
                "the deadline passed before the batch could be sent: give more time, raise "
                "max_in_flight, or add executors"
            ) from None
        try:
            yield
        finally:
            self.courier.slots.release()

    async def _race(self, batch: Batch, endpoint: Endpoint) -> None:
        """Send it; where that drags on, send what is missing to another executor as well.

        Programs are pure, so whoever answers first is right. The second request rides on the
        first one's slot: an executor that hangs could otherwise hold all of them.
        """
        began = time.monotonic()
        async with self._attempts() as attempts:
            attempts.append(self._start(batch, endpoint))
            while under_way := [item for item in attempts if not item.task.done()]:
                await asyncio.wait(
                    [item.task for item in under_way],
                    timeout=LOOK_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not self._rest():
                    return
                (slow, *others) = under_way
                if others or slow.task.done():
                    continue
                waited = time.monotonic() - began - OVERTAKEN_AFTER_SECONDS
                within = waited / (OVERTAKEN_FACTOR * 2 ** (len(attempts) - 1))
                if faster := self._overtaker(slow.lease.endpoint, within):
                    attempts.append(faster)
            failures = [error for item in attempts if (error := item.task.exception())]
        if failures:
            raise failures[0]

    @asynccontextmanager
    async def _attempts(self) -> AsyncIterator[list[_Attempt]]:
        """At the end none of them is under way."""
        attempts: list[_Attempt] = []
        try:
            yield attempts
        finally:
            for attempt in attempts:
                if not attempt.task.done():
                    attempt.task.cancel()
                    if attempt is not attempts[-1] and not self._rest():
                        attempt.lease.overtaken()
                attempt.lease.release()
            await asyncio.gather(*(item.task for item in attempts), return_exceptions=True)

    def _overtaker(self, slow: Endpoint, within: float) -> _Attempt | None:
        rest = self._rest()
        faster = self.courier.pool.overtaker(slow, len(rest), within)
        if faster is None:
            return None
        self.courier.recorder.overtakes += 1
        logger.warning("%s is slow: asking %s for %d programs", slow.url, faster.url, len(rest))
        return self._start(rest, faster)

    def _start(self, batch: Batch, endpoint: Endpoint) -> _Attempt:
        lease = self.courier.pool.lease(endpoint, len(batch))
        return _Attempt(lease, asyncio.create_task(self._send(batch, lease)))

    async def _send(self, batch: Batch, lease: Lease) -> None:
        self.courier.recorder.requests += 1
        began = time.monotonic()
        async with self.courier.sending(lease, self._tried, self.deadline) as url:
            seconds = for_the_server(remaining(self.deadline))
            body, headers = encoding.request_body(batch, seconds, self.courier.deduplicate)
            headers["Accept"] = f"{NDJSON}, application/json"
            request = self.http.stream("POST", url + self.call.path, content=body, headers=headers)
            async with request as response:
                await responses.check_status(response, batch)
                results = responses.read_results(
                    response, batch, self.call.parse, self.call.parse_line
                )
                async with aclosing(results):
                    async for result in results:
                        self._take(result, lease)
        self.courier.recorder.answered(time.monotonic() - began)

    def _take(self, result: ResultT, lease: Lease) -> None:
        lost = self.call.lost(result)
        lease.answered(lost=lost)
        if result.index in self._answers:
            return
        if lost and result.index not in self._lost and len(self.courier.pool.urls) > 1:
            self._lost[result.index] = result
            self._tried.add(lease.endpoint)
            return
        self._answers[result.index] = result
        self.courier.recorder.programs += 1


def _named(error: ExecutorError, batch: Batch) -> Batch:
    """The programs of the batch that the error is about."""
    if not isinstance(error, InvalidRequest):
        return []
    named = {problem.index for problem in error.problems}
    return [program for program in batch if program.index in named]


async def together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Their results in order. The first failure, or cancellation, leaves none of them running."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as failures:
        first = failures.exceptions[0]
    else:
        return [task.result() for task in tasks]
    raise first


def remaining(deadline: float) -> float:
    return deadline - asyncio.get_running_loop().time()


def for_the_server(seconds: float) -> float:
    """A little less than we have, so that it answers what it has done before we give up."""
    return max(0.001, seconds - min(5.0, 0.25 * seconds))
