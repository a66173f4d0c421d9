"""Which of several executors gets the next batch: the one expected to be done with it first.

Nothing about an executor's size is configured. Two things are learned of each: its **pace**, the
programs that it answers per second of work, and its **room**, how many it took at one time before
it refused one more (429, 503). Both fade, so that an executor that has become faster is found out.
"""

import asyncio
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from trainer_client.client.exceptions import (
    ConnectionFailed,
    DeadlineExceeded,
    Overloaded,
    ProtocolError,
)

SHORTEST_REST_SECONDS = 0.1
FIRST_REST_SECONDS = 0.5
LONGEST_REST_SECONDS = 30.0
JITTER = 0.25
"""Of a wait, added at random, so that many callers do not come back in one instant."""
PACE_HALF_LIFE_SECONDS = 15.0
PRIOR_PACE = 10.0
"""Programs per second, as long as nothing is known of any endpoint."""
PACE_PRIOR_SECONDS = 1.0
"""So many seconds of work at the pool's pace each endpoint is credited with from the start."""
ROOM_GROWTH = 0.1
"""Programs of room gained for each program answered."""


@dataclass(slots=True)
class Pace:
    """Programs answered and seconds of work, recent ones weighing most."""

    answered: float = 0.0
    busy: float = 0.0
    at: float = field(default_factory=time.monotonic)

    def advance(self, *, working: bool) -> None:
        """Account for the time since the last call, in which it was ``working`` or idle."""
        now = time.monotonic()
        passed, self.at = now - self.at, now
        fading = 0.5 ** (passed / PACE_HALF_LIFE_SECONDS)
        self.answered *= fading
        self.busy = self.busy * fading + (passed if working else 0.0)

    def rate(self, prior: float) -> float:
        """Programs per second; ``prior`` where nothing is known, and again after a while idle."""
        return (self.answered + prior * PACE_PRIOR_SECONDS) / (self.busy + PACE_PRIOR_SECONDS)


@dataclass(eq=False, slots=True)
class Endpoint:
    url: str
    outstanding: int = 0
    """Programs sent and not yet answered."""
    failures: int = 0
    """In a row."""
    rests_until: float = 0.0
    """On the monotonic clock."""
    asked_to_rest: bool = False
    """By a ``Retry-After``, which is honoured even where nobody else is left to ask."""
    room: float = math.inf
    """Programs that it holds of ours before it refuses more."""
    pace: Pace = field(default_factory=Pace)

    @property
    def awake(self) -> bool:
        return time.monotonic() >= self.rests_until

    def has_room(self, programs: int) -> bool:
        return self.outstanding == 0 or self.outstanding + programs <= self.room

    def rest(self, seconds: float | None) -> None:
        """Leave it alone for a while: as long as it asked for, else twice as long each time."""
        now = time.monotonic()
        if seconds is not None:
            self.rests_until = max(self.rests_until, now + max(seconds, SHORTEST_REST_SECONDS))
            self.asked_to_rest = True
        elif now >= self.rests_until:  # else: one incident, seen by several batches
            backoff = min(FIRST_REST_SECONDS * 2**self.failures, LONGEST_REST_SECONDS)
            self.rests_until = now + backoff * random.uniform(0.5, 1.0)
            self.asked_to_rest = False
            self.failures += 1

    def seconds_for(self, programs: int, prior: float) -> float:
        """How long it would take to answer so many more."""
        self.pace.advance(working=self.outstanding > 0)
        return (self.outstanding + programs) / self.pace.rate(prior)

    def take(self, programs: int) -> None:
        self.pace.advance(working=self.outstanding > 0)
        self.outstanding += programs

    def give_back(self, programs: int, *, answered: bool) -> None:
        self.pace.advance(working=self.outstanding > 0)
        self.outstanding -= programs
        if answered:
            self.pace.answered += programs
            self.room += programs * ROOM_GROWTH


@dataclass(eq=False, slots=True)
class Lease:
    """A batch on its way at an endpoint, from now until ``release``."""

    endpoint: Endpoint
    programs: int
    """Not yet answered."""
    changed: asyncio.Event
    """Set when the endpoint may have room again."""
    received: int = 0
    lost: int = 0
    """Of those received."""

    def __post_init__(self) -> None:
        self.endpoint.take(self.programs)

    def answered(self, *, lost: bool) -> None:
        """One program of the batch was. One that is ``lost`` is no sign of a good pace."""
        self.programs -= 1
        self.received += 1
        self.lost += lost
        self.endpoint.give_back(1, answered=not lost)
        self.changed.set()

    def overtaken(self) -> None:
        """Another endpoint was sooner: one that gave nothing at all counts as failing."""
        if not self.received:
            self.endpoint.rest(None)

    def release(self) -> None:
        """Idempotent."""
        self.endpoint.give_back(self.programs, answered=False)
        self.programs = 0
        self.changed.set()


class EndpointPool:
    """Used by one event loop."""

    def __init__(self, urls: str | Sequence[str]) -> None:
        listed = [urls] if isinstance(urls, str) else list(urls)
        if not listed:
            raise ValueError("endpoints is empty: give at least one address of an executor")
        self._endpoints = [Endpoint(url) for url in dict.fromkeys(map(checked_url, listed))]
        self._changed = asyncio.Event()

    @property
    def urls(self) -> list[str]:
        return [endpoint.url for endpoint in self._endpoints]

    async def choose(self, programs: int, tried: set[Endpoint], deadline: float) -> Endpoint:
        """The endpoint expected to answer ``programs`` first, once one is awake and has room.

        Rather one that is not in ``tried``. Each caller waits out a rest once: who fails at its end
        makes it longer, but not for the others, which would all wait for one another. ``deadline``
        is in the loop's clock. Raises ``DeadlineExceeded``, or at once ``Overloaded`` where every
        endpoint asked to be left alone until after it.
        """
        rests_until = min(endpoint.rests_until for endpoint in self._endpoints)
        if tried.issuperset(self._endpoints):
            rests_until = 0.0  # it has waited before it came again
        while True:
            awake = [item for item in self._endpoints if item.awake]
            if free := [item for item in awake if item.has_room(programs)]:
                return self._first_done(free, programs, tried)
            rested = time.monotonic() >= rests_until
            if rested and not awake and (failing := self._failing()):
                return failing[0]
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise DeadlineExceeded(
                    "the deadline passed before an executor had room for the batch: give more "
                    "time, or add executors"
                )
            wait = self._seconds_until_one_more_is_awake(left)
            if wait >= left and not awake:
                return self._rather_than_nothing(self.seconds_until_one_is_awake())
            await self._change(min(left, wait * random.uniform(1, 1 + JITTER)))

    def overtaker(self, slow: Endpoint, programs: int, within: float) -> Endpoint | None:
        """Another than ``slow`` that would answer ``programs`` within so many seconds."""
        prior = self._prior()
        free = [
            item
            for item in self._endpoints
            if item is not slow
            and item.awake
            and item.has_room(programs)
            and item.seconds_for(programs, prior) < within
        ]
        return self._first_done(free, programs, set()) if free else None

    def lease(self, endpoint: Endpoint, programs: int) -> Lease:
        """Count ``programs`` as outstanding at ``endpoint``."""
        return Lease(endpoint, programs, self._changed)

    @contextmanager
    def learning(self, lease: Lease, tried: set[Endpoint]) -> Iterator[None]:
        """Learn of the endpoint from how this ends; put it in ``tried`` where it fails."""
        endpoint = lease.endpoint
        try:
            yield
        except Overloaded as error:
            endpoint.room = max(1, endpoint.outstanding - lease.programs)
            endpoint.rest(error.retry_after)
            tried.add(endpoint)
            raise
        except (ConnectionFailed, DeadlineExceeded, ProtocolError) as error:
            if not (isinstance(error, DeadlineExceeded) and lease.received):
                endpoint.rest(None)
            tried.add(endpoint)
            raise
        else:
            if 0 < lease.lost == lease.received and len(self._endpoints) > 1:
                endpoint.rest(None)  # it fails fast, which must not attract work
            else:
                endpoint.failures = 0

    def seconds_until_one_is_awake(self) -> float:
        earliest = min(endpoint.rests_until for endpoint in self._endpoints)
        return max(0.0, earliest - time.monotonic())

    def _seconds_until_one_more_is_awake(self, at_most: float) -> float:
        now = time.monotonic()
        rests = [item.rests_until - now for item in self._endpoints if not item.awake]
        return min(rests, default=at_most)

    async def _change(self, seconds: float) -> None:
        """Wait until there may be room, at most so long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _first_done(
        self, among: Sequence[Endpoint], programs: int, tried: set[Endpoint]
    ) -> Endpoint:
        prior = self._prior()
        return min(
            among,
            key=lambda endpoint: (
                endpoint in tried,
                endpoint.seconds_for(programs, prior),
                random.random(),
            ),
        )

    def _rather_than_nothing(self, seconds: float) -> Endpoint:
        """Nobody wakes in time: ask one that failed, never one that asked to be left alone."""
        failing = self._failing()
        if not failing:
            raise Overloaded(
                f"every executor asked to be left alone for {seconds:.1f} s, which is beyond the "
                "deadline: give more time, or add executors",
                seconds,
            )
        return failing[0]

    def _failing(self) -> list[Endpoint]:
        """Those that rest because they failed, the one that wakes first before the others."""
        failing = [item for item in self._endpoints if not item.asked_to_rest]
        return sorted(failing, key=lambda item: item.rests_until)

    def _prior(self) -> float:
        """Programs per second of an endpoint of which nothing is known: the known ones' mean."""
        known = [item.pace for item in self._endpoints if item.pace.busy > 0 < item.pace.answered]
        return (
            sum(pace.answered / pace.busy for pace in known) / len(known) if known else PRIOR_PACE
        )


def is_api_key(text: str) -> bool:
    """Whether it can be sent as one: printable ASCII without spaces."""
    return text.isascii() and text.isprintable() and " " not in text


def checked_url(url: str) -> str:
    """Without its last slash. Raises ``ValueError`` for what is no address of an executor."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise ValueError(f"endpoint {url!r} is not a URL ({error})") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"endpoint {url!r}: give it as http://HOST:PORT or https://HOST:PORT")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise ValueError(f"endpoint {url!r}: its port is {parsed.port}; give one up to 65535")
    if parsed.query or parsed.fragment:
        raise ValueError(f"endpoint {url!r}: leave out the query and the fragment")
    return str(parsed).rstrip("/")
