"""Prometheus metrics of the service, of one process or of all its worker processes together.

``prometheus_client`` keeps the values in files where ``PROMETHEUS_MULTIPROC_DIR`` names a
directory as it is first imported; ``supervisor`` sets that for worker processes.
"""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REGISTRY = CollectorRegistry()

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)

QUEUE_DEPTH = Gauge(
    "coderl_queue_programs",
    "Programs waiting for a sandbox",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
QUEUE_BYTES = Gauge(
    "coderl_queue_bytes",
    "Of the programs waiting and their tests, as they travelled",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
QUEUE_OLDEST_SECONDS = Gauge(
    "coderl_queue_oldest_seconds",
    "Age of the program that waits longest",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
QUEUE_SECONDS = Histogram(
    "coderl_queue_seconds", "From admission to a sandbox", buckets=_SECONDS, registry=REGISTRY
)
PROGRAMS = Counter(
    "coderl_programs", "Programs answered", ["endpoint", "verdict"], registry=REGISTRY
)
TESTS = Counter("coderl_tests", "Tests answered", ["verdict"], registry=REGISTRY)
DEDUPLICATED = Counter(
    "coderl_deduplicated_programs", "Programs answered by another's run", registry=REGISTRY
)
PROGRAM_SECONDS = Histogram(
    "coderl_program_seconds",
    "From a sandbox to the verdict",
    ["endpoint"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
JUDGE_SECONDS = Histogram(
    "coderl_judge_seconds",
    "Of that, comparing a program's answers with what was expected",
    buckets=_SECONDS,
    registry=REGISTRY,
)
SANDBOXES_READY = Gauge(
    "coderl_sandboxes_ready",
    "Sandboxes that answer",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
SANDBOXES_LEASED = Gauge(
    "coderl_sandboxes_leased",
    "Of those, sandboxes that run a program",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
SANDBOXES_STARTED = Counter("coderl_sandboxes_started", "Sandboxes started", registry=REGISTRY)
SANDBOXES_RETIRED = Counter(
    "coderl_sandboxes_retired", "Sandboxes thrown away", ["reason"], registry=REGISTRY
)
INFRASTRUCTURE_ERRORS = Counter(
    "coderl_infrastructure_errors", "Failures of ours, by place", ["place"], registry=REGISTRY
)
REQUESTS = Counter(
    "coderl_http_requests", "Requests answered", ["route", "status"], registry=REGISTRY
)
RECEIVED_BYTES = Counter(
    "coderl_http_received_bytes", "Bodies of requests, as they travelled", registry=REGISTRY
)
SENT_BYTES = Counter(
    "coderl_http_sent_bytes", "Bodies of responses, as they travelled", registry=REGISTRY
)


def render() -> bytes:
    """The text exposition format; of all worker processes, where there are several."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
