"""What the client has done so far, for the trainer's log."""

import statistics
from collections import deque
from dataclasses import dataclass

RECENT = 1024


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Seconds from sending to the last byte, of the most recent requests answered with results."""

    count: int
    mean: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class ClientStats:
    """Counts since the client was made. A batch is one request, and one more each time that what
    is missing of it is sent again."""

    programs: int
    """Answered; each once, however often its batch had to be sent."""
    requests: int
    """Batches posted, retries and overtakes included."""
    retries: int
    overtakes: int
    """Requests that took so long that what they lacked was sent to another executor as well."""
    failures: int
    """Batches given up on."""
    latency: LatencySummary


class Recorder:
    """Written by one event loop, read from any thread."""

    def __init__(self) -> None:
        self.programs = self.requests = self.retries = self.overtakes = self.failures = 0
        self._latencies: deque[float] = deque(maxlen=RECENT)

    def answered(self, seconds: float) -> None:
        """A request, with all its results."""
        self._latencies.append(seconds)

    def snapshot(self) -> ClientStats:
        return ClientStats(
            self.programs,
            self.requests,
            self.retries,
            self.overtakes,
            self.failures,
            summarize(self._latencies),
        )


def summarize(latencies: deque[float]) -> LatencySummary:
    ordered = sorted(latencies)
    if not ordered:
        return LatencySummary(0, 0.0, 0.0, 0.0)
    last = len(ordered) - 1
    return LatencySummary(
        count=len(ordered),
        mean=statistics.fmean(ordered),
        p50=ordered[round(0.50 * last)],
        p95=ordered[round(0.95 * last)],
    )
