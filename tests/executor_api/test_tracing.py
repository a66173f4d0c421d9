"""The host's side of a trace: records, honest and hostile, become a result."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor_api.tracing import assemble
from executor_api.wire import TraceProgram, TraceResult
from tests.executor_api.tracer_bench import running_bench

_CODE = "def f(n):\n    m = n + 1\n    return m\nx = f(2)\nprint(x)\n"
_HEADER = {"end": "exited", "code": 0, "cpu": 0.1, "wall": 0.2, "memory": 9.0}
_CALL = {"function": "f", "args": [2]}
_RETURNED = {"outcome": "returned", "stdout": "3\n", "stderr": "", "truncated": False}


@pytest.fixture(scope="module")
def records() -> Iterator[bytes]:
    with running_bench("3.11") as bench:
        yield str(bench.run(_CODE, "record")["records"]).encode()


def _line(*record: Any) -> bytes:
    return json.dumps(record).encode() + b"\n"


def _assemble(payload: bytes, header: dict[str, Any] | None = None, **program: Any) -> TraceResult:
    result = assemble(
        TraceProgram(code=_CODE, **program),
        0,
        _HEADER | (header or {}),
        payload,
        runtime="runsc",
        python="3.11.7",
    )
    json.loads(result.model_dump_json())  # whatever it holds can be sent
    return result


def test_a_whole_trace(records: bytes) -> None:
    result = _assemble(records + _line("outcome", _RETURNED), id="p")
    assert (result.status, result.complete, result.reason) == ("completed", True, "end")
    assert (result.id, result.stdout, result.cpu_seconds) == ("p", "3\n", 0.1)
    assert [(f.id, f.parent, f.function, f.line) for f in result.frames] == [
        (0, None, "<module>", 1),
        (1, 0, "f", 1),
    ]
    assert result.events[3:6] == [
        ("call", 1, 1, {"n": "2"}),
        ("line", 2, 1, {}),
        ("line", 3, 1, {"m": "3"}),
    ]
    assert result.values == [(6, "3"), (8, "None")]
    assert result.final["1"]["m"].model_dump() == {
        "value": "3",
        "type": "int",
        "line": 2,
        "visits": 1,
    }
    assert result.executed_lines == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("values", [(7, "7"), ({"t": [1, {"s": [2]}]}, "(1, {2})")])
def test_the_value_of_a_call(records: bytes, values: tuple[Any, str]) -> None:
    outcome = _RETURNED | {"value": values[0]}
    assert _assemble(records + _line("outcome", outcome), call=_CALL).value == values[1]
    assert _assemble(records + _line("outcome", outcome)).value is None


_ERROR = {"type": "KeyError", "message": "'k'", "line": 3}


@pytest.mark.parametrize(
    ("header", "outcome", "call", "status"),
    [
        ({}, _RETURNED, False, "completed"),
        ({"end": "answered"}, _RETURNED, False, "completed"),
        ({}, {"outcome": "raised", "exception": _ERROR}, False, "runtime_error"),
        ({}, {"outcome": "exited", "status": 0}, False, "completed"),
        ({}, {"outcome": "exited", "status": 3}, False, "runtime_error"),
        ({}, {"outcome": "exited", "status": 0}, True, "exited_early"),
        ({}, {"outcome": "invalid", "message": "a value of type A"}, True, "invalid_value"),
        ({}, {"outcome": "memory"}, False, "memory_limit"),
        ({"end": "cpu_limit"}, None, False, "time_limit"),
        ({"end": "wall_limit"}, None, False, "time_limit"),
        ({"end": "output_limit"}, None, False, "output_limit"),
        ({"end": "signaled", "code": 11}, None, False, "runtime_error"),
        ({"end": "signaled", "code": 9}, None, True, "exited_early"),
        ({"end": "exited", "code": 0}, None, False, "completed"),
        ({"end": "exited", "code": 4}, None, False, "runtime_error"),
        ({"end": "exited", "code": 0}, None, True, "exited_early"),
    ],
)
def test_status(
    records: bytes,
    header: dict[str, Any],
    outcome: dict[str, Any] | None,
    call: bool,
    status: str,
) -> None:
    payload = records + (_line("outcome", outcome) if outcome else b"")
    result = _assemble(payload, header, **({"call": _CALL} if call else {}))
    assert result.status == status
    if status == "time_limit":
        assert result.limit == header["end"].removesuffix("_limit")


def test_a_compile_error_has_no_trace_and_lacks_none() -> None:
    outcome = {"outcome": "compile_error", "exception": _ERROR | {"type": "SyntaxError"}}
    result = _assemble(_line("outcome", outcome))
    assert result.status == "compile_error" and result.complete and not result.frames
    assert result.exception and result.exception.type == "SyntaxError"


def test_an_outcome_does_not_outweigh_a_limit(records: bytes) -> None:
    result = _assemble(records + _line("outcome", _RETURNED), {"end": "cpu_limit"})
    assert (result.status, result.limit) == ("time_limit", "cpu")


def test_a_killed_process_leaves_what_it_had_written(records: bytes) -> None:
    cut = records[: records.index(b'["event","line",3') + 9]
    streams = {"stdout": "so far", "stderr": "", "truncated": False}
    result = _assemble(cut + b"\n" + _line("streams", streams), {"end": "wall_limit"})
    assert (result.complete, result.reason, result.stdout) == (False, "killed", "so far")
    assert len(result.events) == 5


def test_every_prefix_of_a_trace_is_read(records: bytes) -> None:
    events = 0
    for length in range(len(records)):
        result = _assemble(records[:length], {"end": "signaled", "code": 9})
        assert not result.complete or length >= len(records) - 1
        assert len(result.events) >= events
        events = len(result.events)
    assert events == 9


def test_a_trace_that_had_stopped_before_the_program_was_killed() -> None:
    event, frame = _line("event", "line", 1, 0), _line("frame", 0, None, "<module>", 1)
    killed = {"end": "cpu_limit", "code": None}
    assert _assemble(frame + event + _line("stopped", "events"), killed).reason == "events"
    assert _assemble(frame + event, killed).reason == "killed"


def test_output_is_placed_between_events_and_within_what_there_is() -> None:
    event, frame = _line("event", "line", 1, 0), _line("frame", 0, None, "<module>", 1)
    marks = [_line("stdout", count) for count in (1, 2, 900)]
    payload = frame + event + marks[0] + marks[1] + event + marks[2] + event + _line("stdout", 901)
    outcome = _line("outcome", _RETURNED)
    assert _assemble(payload + outcome).stdout_at == [(1, 2), (2, 2)]
    assert _assemble(payload + marks[0] + outcome).reason == "hook_lost"


def test_a_trace_without_its_end_is_not_complete() -> None:
    result = _assemble(_line("outcome", _RETURNED))
    assert (result.status, result.complete, result.reason) == ("completed", False, "hook_lost")


# --- hostile payloads -------------------------------------------------------------------

_FRAME = _line("frame", 0, None, "<module>", 1)
_SUMMARY = _line("summary", {"complete": True, "reason": "end", "truncated_values": 0})


@pytest.mark.parametrize(
    "record",
    [
        b"\xff\xfe\n",
        b"{}\n",
        b"[]\n",
        b"[" * 100_000 + b"\n",
        b"1" * 5000 + b"\n",
        b'["event","line",' + b"9" * 5000 + b",0]\n",
        _line(["event"]),
        _line("unknown", 1),
        _line("frame", 0, None, "again", 1),
        _line("frame", -1, None, "f", 1),
        _line("frame", True, None, "f", 1),
        _line("frame", 1, 7, "f", 1),
        _line("frame", 1, None, "f" * 2000, 1),
        _line("frame", 1, None, "f"),
        _line("event", "jump", 1, 0),
        _line("event", ["line"], 1, 0),
        _line("event", "line", 1, 5),
        _line("event", "line", "1", 0),
        _line("event", "line", 1 << 40, 0),
        _line("event", "line", 1, 0, "x", 1),
        _line("event", "line", 1, 0, "x", "y" * 201),
        _line("event", "line", 1, 0, "x" * 2000, "1"),
        _line("event", "line", 1, 0, "x"),
        _line("event", "return", 1, 0, 5),
        _line("event", "return", 1, 0, "y" * 201),
        _line("stdout", -1),
        _line("stopped", "end"),
        _line("stopped", ["events"]),
        _line("stdout", "2"),
        _line("final", 3, {}),
        _line("final", 0, {"x": ["1", "int", 1]}),
        _line("final", 0, {"x": ["1", "int", 1.5, 1]}),
        _line("final", 0, {"x": "1234"}),
        _line("lines", [1, None]),
        _line("lines", 3),
        _line("summary", {"complete": True, "reason": "events", "truncated_values": 0}),
        _line("summary", {"complete": True, "reason": [], "truncated_values": 0}),
        _line("summary", None),
        _line("outcome", 3),
        _line("streams", "x"),
    ],
)
def test_a_malformed_record_is_dropped_and_told(record: bytes) -> None:
    result = _assemble(_FRAME + record + _SUMMARY + _line("outcome", _RETURNED))
    assert (result.complete, result.reason) == (False, "hook_lost")
    assert (len(result.frames), result.events, result.final) == (1, [], {})
    assert (result.status, result.stdout, result.executed_lines) == ("completed", "3\n", [])


_RECORDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_TYPES = ["frame", "event", "final", "stdout", "stopped", "lines", "summary", "outcome", "streams"]


@given(
    records=st.lists(st.tuples(st.sampled_from(_TYPES), st.lists(_RECORDS, max_size=5))),
    end=st.sampled_from(["answered", "exited", "signaled", "cpu_limit"]),
    noise=st.binary(max_size=50),
)
def test_any_payload_gives_a_result(
    records: list[tuple[str, list[Any]]], end: str, noise: bytes
) -> None:
    payload = b"".join(_line(kind, *fields) for kind, fields in records)
    _assemble(payload + noise, {"end": end})
    _assemble(noise + payload, {"end": end}, call=_CALL)


def test_a_flood_is_held_to_the_limits() -> None:
    event = _line("event", "line", 1, 0, "x", "y" * 100)
    limits = {"max_events": 50, "max_bytes": 4000}
    result = _assemble(_FRAME + event * 10_000 + _SUMMARY, limits=limits)
    assert 0 < len(result.events) <= 4000 // len(event)
    assert (result.complete, result.reason) == (False, "bytes")
    short = _line("event", "line", 1, 0)
    result = _assemble(_FRAME + short * 60 + _SUMMARY, limits=limits)
    assert (len(result.events), result.reason) == (50, "events")


def test_lone_surrogates_can_be_sent() -> None:
    outcome = {"outcome": "raised", "exception": {"type": "E", "message": "\udc80", "line": None}}
    outcome |= {"stdout": "a\udcff", "stderr": "ü\udcff"}
    event = _line("event", "line", 1, 0, "x", "'\udc80'")
    result = _assemble(_FRAME + event + _SUMMARY + _line("outcome", outcome))
    assert (result.stdout, result.stderr) == ("a\\udcff", "ü\\udcff")
    assert result.exception and result.exception.type == "E"
    assert result.events[0][3] == {"x": "'\\udc80'"}
