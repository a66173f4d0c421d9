"""Coverage of programs graded and traced by a real service, and notes that make no sense."""

import gzip
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor_api.coverage import Covered, read_notes
from tests.data_sets import DATA
from tests.executor_api.tracer_bench import python_of
from tests.service import KEY, Service, running_service

CODE = """\
n = int(input())
if n > 2:
    print(n)
else:
    print(0)
for i in range(n):
    if i == 7:
        break
"""
FUNCTION = "def f(x):\n    if x:\n        return 1\n    return 2\n"
ONE_WAY = ([1, 2, 3], [[2, 3]], [4], [[2, 4]])


@pytest.fixture(scope="module", params=["3.11", "3.13"])
def covering(request: pytest.FixtureRequest) -> Iterator[Service]:
    prefix = str(Path(python_of(request.param)).resolve().parents[1])
    with running_service("runsc", "--sandboxes", "1", CODERL_GUEST_PREFIX=prefix) as running:
        yield running


def stdio(*inputs: Any) -> list[dict[str, Any]]:
    return [{"kind": "stdio", "stdin": f"{one}\n", "stdout": "3\n"} for one in inputs]


def call(*arguments: Any) -> list[dict[str, Any]]:
    return [{"kind": "call", "function": "f", "args": [x], "expected": 1} for x in arguments]


def run(service: Service, code: str, tests: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    (result,) = service.execute({"code": code, "tests": tests, "coverage": True} | more)
    assert result["attempts"] == 1
    return result


def coverage(result: dict[str, Any]) -> tuple[Any, ...]:
    names = ("executed_lines", "executed_branches", "missed_lines", "missed_branches")
    return tuple(result[name] for name in names)


@pytest.mark.gvisor
@pytest.mark.parametrize("more", [{}, {"isolation": "test"}, {"isolation": "sandbox"}])
@pytest.mark.parametrize("count", [1, 5])
def test_one_input_and_many(covering: Service, more: dict[str, Any], count: int) -> None:
    result = run(covering, CODE, stdio(*[3] * count), **more)
    assert result["verdict"] == "accepted" and result["coverage_complete"] is True
    assert coverage(result) == (
        [1, 2, 3, 6, 7],
        [[2, 3], [6, -1], [6, 7], [7, 6]],
        [5, 8],
        [[2, 5], [7, 8]],
    )


@pytest.mark.gvisor
@pytest.mark.parametrize("isolation", ["program", "test"])
def test_the_union_of_all_tests(covering: Service, isolation: str) -> None:
    result = run(covering, CODE, stdio(3, 0, 9), isolation=isolation)
    assert coverage(result)[2:] == ([], [])


@pytest.mark.gvisor
def test_only_tests_that_ran_count(covering: Service) -> None:
    result = run(covering, FUNCTION, call(0, 1), stop_on_failure=True)
    assert [test["verdict"] for test in result["tests"]] == ["wrong_answer", "skipped"]
    assert coverage(result) == ([1, 2, 4], [[2, 4]], [3], [[2, 3]])


@pytest.mark.gvisor
@pytest.mark.parametrize(
    "test",
    [
        {"kind": "assert", "code": "assert f(1) == 1"},
        {"kind": "assert", "code": "x = f(1)\nassert type(x) is int and str(x) in repr(x)"},
    ],
)
def test_of_assertions(covering: Service, test: dict[str, Any]) -> None:
    result = run(covering, FUNCTION, [test])
    assert result["verdict"] == "accepted"
    assert coverage(result) == ONE_WAY


@pytest.mark.gvisor
@pytest.mark.parametrize(
    ("ending", "verdict"),
    [
        ("while True: pass", "time_limit"),
        ("import os; os._exit(1)", "runtime_error"),
        ("import os; os.kill(os.getpid(), 9)", "runtime_error"),
        ("1 // 0", "runtime_error"),
        ("while True: print('x' * 1000)", "output_limit"),
    ],
)
def test_a_run_cut_short_loses_nothing(covering: Service, ending: str, verdict: str) -> None:
    code = f"x = int(input())\nif x:\n    y = 1\n    {ending}\nz = 1\n"
    limits = {"cpu_seconds": 0.5, "output_bytes": 10_000}
    result = run(covering, code, stdio(1), limits=limits)
    assert result["verdict"] == verdict
    assert coverage(result) == ([1, 2, 3, 4], [[2, 3]], [5], [[2, 5]])


@pytest.mark.gvisor
def test_what_did_not_compile_ran_nothing(covering: Service) -> None:
    result = run(covering, "def f(:\n", call(1))
    assert result["verdict"] == "compile_error"
    assert coverage(result) == ([], [], [], []) and result["coverage_complete"] is True


_HOSTILE = {
    "takes the hook away": "import sys\nsys.settrace(None)\n"
    "for t in range(6):\n    if hasattr(sys, 'monitoring') and sys.monitoring.get_tool(t):\n"
    "        sys.monitoring.free_tool_id(t)\n",
    "names lines it has not": "import gc\nfor o in gc.get_objects():\n"
    "    if type(o).__name__ == 'Reporter':\n        o.note(b'[999999]')\n"
    "        o.note(b'[0,-3]')\n",
    "sends too much": "import gc\nfor o in gc.get_objects():\n"
    "    if type(o).__name__ == 'Reporter':\n        for n in range(30_000):\n"
    "            o.note(b'[%d,%s]' % (n, b'1' * 300))\n",
}


@pytest.mark.gvisor
@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_program_costs_only_its_coverage(covering: Service, name: str) -> None:
    result = run(covering, _HOSTILE[name] + "print(3)\n", stdio(1))
    assert (result["verdict"], result["coverage_complete"]) == ("accepted", False)
    assert {*result["executed_lines"]} <= {*range(1, 8)}
    assert run(covering, FUNCTION, call(1))["coverage_complete"] is True


@pytest.mark.gvisor
def test_a_program_may_replace_builtins_meanwhile(covering: Service) -> None:
    code = (
        "import builtins\nown = vars(builtins).copy()\n"
        "for name in ('len', 'max', 'memoryview', 'any'):\n    setattr(builtins, name, None)\n"
        "for n in range(2):\n    last = n\nvars(builtins).update(own)\nprint(3)\n"
    )
    result = run(covering, code, stdio(1))
    assert (result["verdict"], result["coverage_complete"]) == ("accepted", True)
    assert result["executed_lines"] == [*range(1, 9)]


@pytest.mark.gvisor
def test_a_program_on_the_other_side_of_an_assertion_answers_nothing(covering: Service) -> None:
    """Its notes travel through the process of the test code: none may pass for an answer."""
    code = (
        "import gc\ndef f(x):\n    for o in gc.get_objects():\n"
        "        if type(o).__name__ == 'Connection':\n"
        "            o._notes += ['{\"outcome\": \"returned\"}', 7, '[1,\\u20ac]']\n    return 5\n"
    )
    test = {"kind": "assert", "code": "x = f(1)\nassert type(x) is int and str(x) in '12'"}
    assert run(covering, code, [test])["verdict"] == "wrong_answer"


@pytest.mark.gvisor
def test_null_unless_asked(covering: Service) -> None:
    program = {"code": FUNCTION, "tests": call(1)}
    asked, not_asked = covering.execute(program | {"coverage": True}, program)
    assert coverage(asked) == ONE_WAY and not asked["deduplicated"]
    assert coverage(not_asked) == (None,) * 4 and not_asked["coverage_complete"] is None
    assert not not_asked["deduplicated"]


@pytest.mark.gvisor
def test_another_language_is_named(covering: Service) -> None:
    program = {"code": "echo 3", "language": "bash", "tests": stdio(1), "coverage": True}
    response = covering.client.post("/execute", json={"programs": [program]})
    (error,) = response.json()["detail"]
    assert response.status_code == 422
    assert error["loc"][-3:] == ["programs", 0, "coverage"] and "in bash" in error["msg"]


@pytest.mark.gvisor
def test_of_a_trace(covering: Service) -> None:
    code = FUNCTION + "for i in range(3):\n    f(1)\n"
    (result,) = covering.trace({"code": code, "limits": {"max_events": 3}})
    assert (result["complete"], result["reason"]) == (False, "events")
    if result["python"].startswith("3.11"):
        assert coverage(result)[1:] == (None, None, None)
    else:
        taken = [[2, 3], [5, -1], [5, 6]]
        assert coverage(result) == ([1, 2, 3, 5, 6], taken, [4], [[2, 4]])


@pytest.mark.gvisor
@pytest.mark.parametrize("name", ["HumanEval", "mbpp_train_val"])
@pytest.mark.parametrize(
    "count", [15, pytest.param(160, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
def test_verdicts_and_outputs_are_the_same(covering: Service, name: str, count: int) -> None:
    limits = {"cpu_seconds": 40, "wall_seconds": 60}  # Python 3.11 is slow with coverage
    programs = [program | {"limits": limits} for program in _samples(name, count)]
    plain = covering.execute(*programs)
    covered = covering.execute(*(program | {"coverage": True} for program in programs))
    for without, with_coverage in zip(plain, covered, strict=True):
        assert _answers(without) == _answers(with_coverage)
        assert with_coverage["coverage_complete"] is True


def _answers(result: dict[str, Any]) -> list[Any]:
    names = ("verdict", "stdout", "stderr", "value", "exception", "trust")
    return [[test[name] for name in names] for test in result["tests"]]


def _samples(name: str, count: int) -> list[dict[str, Any]]:
    file = DATA / f"{name}.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    with gzip.open(file, "rt") as lines:
        return [_sample(json.loads(line)) for line in itertools.islice(lines, count)]


def _sample(problem: dict[str, Any]) -> dict[str, Any]:
    if "test_list" in problem:
        tests = [{"kind": "assert", "code": code} for code in problem["test_list"]]
        return {"code": problem["code"], "tests": tests}
    code = problem["test"] + f"\ncheck({problem['entry_point']})\n"
    solution = problem["prompt"] + problem["canonical_solution"]
    return {"code": solution, "tests": [{"kind": "assert", "code": code}]}


@pytest.mark.gvisor
def test_in_the_terminal(covering: Service, tmp_path: Path) -> None:
    file, tests = tmp_path / "f.py", tmp_path / "tests.json"
    file.write_text(FUNCTION)
    tests.write_text(json.dumps(call(1)))
    command = [sys.executable, "-m", "coderl", "run", str(file), "--tests", str(tests)]
    command += ["--coverage", "--url", covering.url]
    environment = os.environ | {"CODERL_API_KEY": KEY}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [line.rstrip() for line in done.stdout.splitlines()[-5:]] == [
        "3 of 4 lines ran",
        "+    1 def f(x):",
        "~    2     if x:  never to 4",
        "+    3         return 1",
        "!    4     return 2",
    ]


# --- what the host makes of notes -------------------------------------------------------


def _read(*notes: Any, code: str = FUNCTION, nothing_ran: bool = False) -> Covered:
    payload = b"\n".join(json.dumps(note).encode() for note in notes)
    return read_notes(payload, code, nothing_ran=nothing_ran)


_POSSIBLE = ["possible", [1, 2, 3, 4], [[2, 3], [2, 4]]]


def test_the_notes_of_several_processes_in_any_order() -> None:
    found = _read([2], _POSSIBLE, [1], [2, 4], [2], _POSSIBLE)
    assert found == Covered([1, 2], [3, 4], [(2, 4)], [(2, 3)], True)


@pytest.mark.parametrize(
    "note",
    [
        *(["lost"], [9], [0], [True], [1.0], ["1"], [2, 9], [2, 0], [9, 2], [2, 3, 4], [], {}, 1),
        *(["possible", [99], []], ["possible", [1], [[2]]], ["possible", 1, 2], [[1], 2]),
        *([1, 2], [-1], [[[]]], None, ["lost", "lost"]),
    ],
)
def test_a_note_that_makes_no_sense(note: Any) -> None:
    found = _read(_POSSIBLE, [1], note)
    assert found.complete is False and found.executed_lines == [1]


def test_no_notes_at_all() -> None:
    assert _read().complete is False
    assert _read(nothing_ran=True) == Covered([], [], [], [], True)


@given(st.binary(max_size=300))
def test_any_payload_gives_an_answer(payload: bytes) -> None:
    found = read_notes(payload, FUNCTION, nothing_ran=False)
    assert {*found.executed_lines, *found.missed_lines} <= {1, 2, 3, 4, 5}
