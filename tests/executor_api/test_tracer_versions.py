"""A program has the same trace on Python 3.11 (settrace) and 3.13 (monitoring)."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.executor_api.test_tracer import TRAPS
from tests.executor_api.tracer_bench import Bench, RandomProgram, Trace, running_bench

_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>")
_LIMITS = {"max_events": 1_000_000, "max_bytes": 100_000_000}
_DIFFER = {
    "comprehension",  # over several lines: these are visits of the frame around it
    "comprehensions over lines",
    "a namespace of its own kind",  # 3.13 puts more names into a class body
    "a namespace that is shared",
    "star import",  # math.fma
    "properties of C",  # cached_property has lost its lock
    "names that come and go",  # files show other fields
    "eval and exec",  # PEP 667: what exec() stores in a function's locals is gone at once
}
"""Where the language or its library differs, not the tracer."""


@pytest.fixture(scope="module")
def benches() -> Iterator[list[Bench]]:
    with running_bench("3.11") as older, running_bench("3.13") as newer:
        yield [older, newer]


def _visits(trace: Trace) -> list[list[Any]]:
    """For each frame its lines, each with the state on coming to it. A line that follows itself
    counts once: a comprehension on it repeats it on 3.13, where 3.11 has a frame for that."""
    frames: dict[int, list[Any]] = {}
    for kind, line, frame, state in trace.states():
        name = trace.frames[frame][1]
        if name.rpartition(".")[2] in _COMPREHENSIONS or kind != "line":
            continue
        seen = frames.setdefault(frame, [name])
        if seen[-1] == name or seen[-1][0] != line:
            seen.append((line, state))
    return list(frames.values())


def assert_alike(benches: list[Bench], code: str) -> None:
    old, new = (bench.trace(code, limits=_LIMITS) for bench in benches)
    assert (old.stdout, old.raised) == (new.stdout, new.raised)
    assert _visits(old) == _visits(new)


@pytest.mark.parametrize("trap", sorted(TRAPS.keys() - _DIFFER))
def test_alike_on(benches: list[Bench], trap: str) -> None:
    assert_alike(benches, TRAPS[trap])


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 1 << 32))
def test_alike_on_random_programs(benches: list[Bench], seed: int) -> None:
    assert_alike(benches, str(RandomProgram(seed)))
