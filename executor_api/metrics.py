"""Prometheus metrics of the service."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)

QUEUE_DEPTH = Gauge("coderl_queue_programs", "Programs waiting for a sandbox", registry=REGISTRY)
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
SANDBOXES_READY = Gauge("coderl_sandboxes_ready", "Sandboxes that answer", registry=REGISTRY)
SANDBOXES_STARTED = Counter("coderl_sandboxes_started", "Sandboxes started", registry=REGISTRY)
SANDBOXES_RETIRED = Counter(
    "coderl_sandboxes_retired", "Sandboxes thrown away", ["reason"], registry=REGISTRY
)
INFRASTRUCTURE_ERRORS = Counter(
    "coderl_infrastructure_errors", "Failures of ours, by place", ["place"], registry=REGISTRY
)


def render() -> bytes:
    """The text exposition format."""
    return generate_latest(REGISTRY)
