"""Prometheus metrics of the service, of one process or of all its worker processes together.

``prometheus_client`` keeps the values in files where ``PROMETHEUS_MULTIPROC_DIR`` names a
directory as it is first imported; ``workers`` sets that for worker processes.
"""

import os
from collections.abc import Mapping

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
AUTHENTICATION_FAILURES = Counter(
    "coderl_authentication_failures",
    "Requests without a valid key, by the status they were answered",
    ["status"],
    registry=REGISTRY,
)
KEY_REQUESTS = Counter(
    "coderl_key_requests", "Requests answered, by key", ["key", "status"], registry=REGISTRY
)
KEY_PROGRAMS = Counter("coderl_key_programs", "Programs admitted", ["key"], registry=REGISTRY)
KEY_SANDBOX_SECONDS = Counter(
    "coderl_key_sandbox_seconds",
    "For which programs of the key had a sandbox",
    ["key"],
    registry=REGISTRY,
)
KEY_QUEUE_PROGRAMS = Gauge(
    "coderl_key_queue_programs",
    "Programs of the key waiting for a sandbox",
    ["key"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
KEY_QUEUE_BYTES = Gauge(
    "coderl_key_queue_bytes",
    "Of those and their tests, as they travelled",
    ["key"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)

_MOST_KEYS = 1000
_OTHERS = "others"
_labels: set[str] = set()


def key_label(name: str) -> str:
    """The label of a key's metrics: its name, or ``others`` beyond the first 1,000 names. Keys
    come and go with their file, and a label stays for ever."""
    if name not in _labels and len(_labels) < _MOST_KEYS:
        _labels.add(name)
    return name if name in _labels else _OTHERS


def observe_keys(waiting: Mapping[str, tuple[int, int]]) -> None:
    """Bring the gauges of all keys up to date: programs and bytes that wait, by key."""
    totals = dict.fromkeys([*_labels, _OTHERS], (0, 0))
    for name, (programs, size) in waiting.items():
        label = key_label(name)
        so_far = totals.get(label, (0, 0))
        totals[label] = so_far[0] + programs, so_far[1] + size
    for label, (programs, size) in totals.items():
        KEY_QUEUE_PROGRAMS.labels(label).set(programs)
        KEY_QUEUE_BYTES.labels(label).set(size)


def render() -> bytes:
    """The text exposition format; of all worker processes, where there are several."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
