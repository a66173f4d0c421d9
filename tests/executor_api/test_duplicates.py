"""Identical programs of a batch run once; what differs in anything runs itself."""

from typing import Any

import pytest

from executor_api.duplicates import originals
from executor_api.wire import ExecuteProgram, ExecuteRequest
from tests.service import Service

CLOCK = "import time\nprint(time.time_ns())"


def program(name: str, code: str = CLOCK, **more: Any) -> dict[str, Any]:
    return {"id": name, "code": code, "tests": [{"kind": "stdio", "stdout": "?"}]} | more


def call(expected: Any) -> dict[str, Any]:
    test = {"kind": "call", "function": "f", "args": [1], "expected": expected}
    return program("", "def f(x): return x", tests=[test])


def test_only_the_id_may_differ() -> None:
    batch = [
        program("a"),
        program("b"),
        program("c", limits={"cpu_seconds": 1}),
        program("d", CLOCK + "\n"),
        program("e", tests=[{"kind": "stdio", "stdout": "!"}]),
        program("f"),
    ]
    assert originals(ExecuteRequest(programs=batch).programs) == [0, 0, 2, 3, 4, 0]


def test_equal_numbers_of_different_types_are_not_identical() -> None:
    programs = [ExecuteProgram.model_validate(call(value)) for value in (1, True, 1.0, 1)]
    assert originals(programs) == [0, 1, 2, 0]


def test_numbers_that_json_does_not_know_are_not_none() -> None:
    values = (None, float("nan"), float("inf"), float("-inf"), None)
    programs = [ExecuteProgram.model_validate(call(value)) for value in values]
    assert originals(programs) == [0, 1, 2, 3, 0]


@pytest.mark.gvisor
def test_a_copy_has_the_answer_of_its_original(service: Service) -> None:
    results = service.execute(program("a"), program("b"), program("c", CLOCK + "\n"), program("d"))
    assert [result["id"] for result in results] == ["a", "b", "c", "d"]
    assert [result["index"] for result in results] == [0, 1, 2, 3]
    assert [result["deduplicated"] for result in results] == [False, True, False, True]
    assert [result["attempts"] for result in results] == [1, 0, 1, 0]
    first, copy, other, again = (result["tests"] for result in results)
    assert first == copy == again != other


@pytest.mark.gvisor
def test_off_by_request(service: Service) -> None:
    one, two = service.execute(program("a"), program("b"), deduplicate=False)
    assert one["tests"][0]["stdout"] != two["tests"][0]["stdout"]
    assert not two["deduplicated"]


@pytest.mark.gvisor
def test_copies_share_a_deadline(service: Service) -> None:
    slow = program("s", "import time\ntime.sleep(8)")
    results = service.execute(slow, slow, slow, deadline_seconds=1.5)
    assert [result["verdict"] for result in results] == ["skipped"] * 3


@pytest.mark.gvisor
def test_traces_too(service: Service) -> None:
    batch = [{"id": name, "code": CLOCK} for name in "ab"]
    one, two = service.trace(*batch)
    assert two["deduplicated"] and one["stdout"] == two["stdout"] and two["id"] == "b"
    three, four = service.trace(*batch, deduplicate=False)
    assert three["stdout"] != four["stdout"]
