"""Which of several executors gets the next batch: the least busy one that is not resting."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from trainer_client._exceptions import (
    ConnectionFailed,
    DeadlineExceeded,
    Overloaded,
    ProtocolError,
)

SHORTEST_REST_SECONDS = 0.1
FIRST_REST_SECONDS = 0.5
LONGEST_REST_SECONDS = 30.0


@dataclass(eq=False, slots=True)
class Endpoint:
    url: str
    outstanding: int = 0
    """Programs sent and not yet answered."""
    failures: int = 0
    """In a row."""
    rests_until: float = 0.0
    """On the monotonic clock."""

    def rest(self, seconds: float | None) -> None:
        """Leave it alone for a while: as long as it asked for, else twice as long each time."""
        now = time.monotonic()
        if seconds is not None:
            self.rests_until = max(self.rests_until, now + max(seconds, SHORTEST_REST_SECONDS))
        elif now >= self.rests_until:  # else: one incident, seen by several batches
            backoff = min(FIRST_REST_SECONDS * 2**self.failures, LONGEST_REST_SECONDS)
            self.rests_until = now + backoff * random.uniform(0.5, 1.0)
            self.failures += 1


class EndpointPool:
    """Used by one event loop; nothing here waits."""

    def __init__(self, urls: str | Sequence[str]) -> None:
        listed = [urls] if isinstance(urls, str) else list(urls)
        if not listed:
            raise ValueError("endpoints is empty: give at least one address of an executor")
        self._endpoints = [Endpoint(_checked(url)) for url in dict.fromkeys(listed)]

    @property
    def urls(self) -> list[str]:
        return [endpoint.url for endpoint in self._endpoints]

    @contextmanager
    def lease(self, programs: int, tried: set[Endpoint]) -> Iterator[Endpoint]:
        """Count ``programs`` as outstanding on the best endpoint; learn from how it ends.

        Rather one that is not in ``tried``, where it is put when it fails.
        """
        endpoint = self._best(tried)
        endpoint.outstanding += programs
        try:
            yield endpoint
        except Overloaded as error:
            endpoint.rest(error.retry_after)
            tried.add(endpoint)
            raise
        except (ConnectionFailed, DeadlineExceeded, ProtocolError):
            endpoint.rest(None)
            tried.add(endpoint)
            raise
        else:
            endpoint.failures = 0
        finally:
            endpoint.outstanding -= programs

    def seconds_until_one_is_awake(self) -> float:
        earliest = min(endpoint.rests_until for endpoint in self._endpoints)
        return max(0.0, earliest - time.monotonic())

    def _best(self, tried: set[Endpoint]) -> Endpoint:
        now = time.monotonic()
        return min(
            self._endpoints,
            key=lambda endpoint: (
                max(0.0, endpoint.rests_until - now),
                endpoint in tried,
                endpoint.outstanding,
                random.random(),
            ),
        )


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise ValueError(f"endpoint {url!r} is not a URL ({error})") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"endpoint {url!r}: give it as http://HOST:PORT or https://HOST:PORT")
    if parsed.query or parsed.fragment:
        raise ValueError(f"endpoint {url!r}: leave out the query and the fragment")
    return str(parsed).rstrip("/")
