"""Replaying a trace, on traces that the real tracer made."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from executor_api.wire import TraceFrame, TraceResult
from tests.executor_api.tracer_bench import Bench, RandomProgram, running_bench
from tests.trainer_client.traced import PROGRAMS, traced
from trainer_client.views.replay import replay, visits


@pytest.fixture(scope="module", params=["3.11", "3.13"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with running_bench(request.param) as started:
        yield started


def _made_up(*events: tuple[object, ...], frames: int = 1) -> TraceResult:
    listed = [TraceFrame(id=n, parent=None, function="f", line=1) for n in range(frames)]
    fixed = {"id": "", "index": 0, "status": "completed", "python": "3.13", "runtime": "runsc"}
    return TraceResult.model_validate(fixed | {"frames": listed, "events": events})


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_state_is_what_the_tracer_saw(bench: Bench, name: str) -> None:
    truth = bench.trace(PROGRAMS[name]).states()
    steps = list(replay(traced(bench, PROGRAMS[name])))
    assert [[s.kind, s.line, s.frame.id, dict(s.locals)] for s in steps] == truth


@pytest.mark.parametrize("seed", range(6))
def test_stacks_follow_calls_and_returns(bench: Bench, seed: int) -> None:
    steps = list(replay(traced(bench, str(RandomProgram(seed)), max_bytes=100_000_000)))
    for before, step in pairwise(steps):
        gone = before.kind in ("return", "yield") or (before.kind == "exception" and before.last)
        below = before.stack[:-1] if gone else before.stack
        if step.kind == "call":
            assert step.stack == (*below, step.frame.id)
        else:
            assert step.stack == below
    assert steps[-1].stack == (0,) and steps[-1].last


def test_a_generator_runs_above_the_frame_that_resumes_it(bench: Bench) -> None:
    code = (
        "def g():\n    yield 1\n    yield 2\ndef f(it):\n    next(it)\nit = g()\nnext(it)\nf(it)\n"
    )
    calls = [step for step in replay(traced(bench, code)) if step.kind == "call"]
    assert [(s.function, s.depth) for s in calls] == [("<module>", 0), ("g", 1), ("f", 1), ("g", 2)]


def test_a_step_has_its_value_and_the_output_so_far(bench: Bench) -> None:
    code = (
        "def g(n):\n    print('é', n)\n    yield n\n    raise KeyError\nnext(g(2))\nprint('end')\n"
    )
    steps = list(replay(traced(bench, code)))
    assert [s.value for s in steps if s.kind == "yield"] == ["2"]
    assert [s.value for s in steps if s.kind == "line"] == [None] * 5
    assert steps[-1].value == "None" and steps[-1].stdout == "é 2\nend\n"
    assert [s.stdout for s in steps if s.kind == "yield"] == ["é 2\n"]
    assert {step.stdout for step in steps} == {"", "é 2\n", "é 2\nend\n"}


def test_a_frame_cut_off_in_a_call_stays_on_the_stack(bench: Bench) -> None:
    steps = list(replay(traced(bench, PROGRAMS["recursion"], max_events=12)))
    assert len(steps) == 12 and steps[-1].stack == (0, 1, 2, 3)


def test_steps_share_what_did_not_change_and_none_can_be_altered(bench: Bench) -> None:
    steps = list(replay(traced(bench, "x = 1\nx\nx\ny = 2\n")))
    assert steps[2].locals is steps[3].locals and dict(steps[2].locals) == {"x": "1"}
    with pytest.raises(TypeError):
        steps[2].locals["x"] = "2"  # type: ignore[index]


def test_a_module_of_many_variables_is_replayed_exactly(bench: Bench) -> None:
    code = """
globals().update(zip(map('v{}'.format, range(2000)), range(2000)))
for i in range(60):
    v7 = globals().pop(f'v{i + 100}')
    v100 = i
    if i % 2: del v100
"""
    truth = bench.trace(code).states()
    steps = list(replay(traced(bench, code)))
    assert [dict(step.locals) for step in steps] == [state for *_, state in truth]
    assert [len(step.locals) for step in steps] == [len(state) for *_, state in truth]
    assert steps[-1].locals == truth[-1][3] and "v100" not in steps[-1].locals
    changes = {name for visit in visits(traced(bench, code)) for name in visit.changes()}
    assert changes == {"i", "v7", "v100"} | {f"v{n}" for n in range(2000)}


def test_a_visit_ends_at_the_next_line_of_its_frame(bench: Bench) -> None:
    trace = traced(bench, "def f(n):\n    n += 1\n    return n\nx = [1]\nx.append(f(2))\nx = x\n")
    found = [(visit.before.function, visit.line, visit.changes()) for visit in visits(trace)]
    assert found == [
        ("<module>", 1, {"f": "<function f>"}),
        ("<module>", 4, {"x": "[1]"}),
        ("<module>", 5, {"x": "[1, 3]"}),
        ("f", 2, {"n": "3"}),
        ("f", 3, {}),
        ("<module>", 6, {}),
    ]


def test_a_yield_lies_within_its_visit(bench: Bench) -> None:
    code = "def g():\n    x = yield 1\n    return x\nit = g()\nnext(it)\nlist(it)\n"
    found = [v.changes() for v in visits(traced(bench, code)) if v.line == 2]
    assert found == [{"x": "None"}]


def test_a_visit_that_raises_ends_with_the_exception(bench: Bench) -> None:
    last = visits(traced(bench, PROGRAMS["uncaught"]))[-1]
    assert (last.line, last.after and last.after.kind) == (3, "exception")


def test_a_visit_cut_off_has_no_end(bench: Bench) -> None:
    found = visits(traced(bench, PROGRAMS["recursion"], max_events=12))
    assert [(v.line, v.after is None) for v in found[-3:]] == [(5, True), (3, False), (5, True)]
    assert found[-1].changes() == {}


def test_a_program_that_did_not_compile_has_no_steps() -> None:
    assert list(replay(_made_up(frames=0))) == []


def test_a_trace_without_events_is_refused() -> None:
    with pytest.raises(ValueError, match="ask for it with detail='lines'"):
        list(replay(_made_up()))


def test_an_unknown_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="frame 7, which is not among"):
        list(replay(_made_up(("line", 1, 7, {}))))
