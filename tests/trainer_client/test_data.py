"""Problem files: what is read, and how a bad row is reported."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainer_client.data import rows
from trainer_client.data.problem import DataError, Problem, load_problems, save_problems

ROW: dict[str, Any] = {
    "id": "p1",
    "prompt": "Add two numbers.",
    "tests": [{"kind": "call", "function": "add", "args": [1, 2], "expected": 3}],
}


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))
    return path


def test_what_is_saved_is_read_back_equal(tmp_path: Path) -> None:
    literal = {
        "kind": "call",
        "function": "f",
        "args_literal": "({1},)",
        "expected_literal": "(1,)",
    }
    problem = Problem.model_validate({**ROW, "tests": [*ROW["tests"], literal], "difficulty": 0.5})
    save_problems([problem], tmp_path / "made" / "p.jsonl")
    assert load_problems([tmp_path / "made" / "p.jsonl"]) == [problem]


def test_a_split_selects_its_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", ROW, {**ROW, "id": "p2", "split": "test"})
    assert [p.id for p in load_problems([path], "test")] == ["p2"]
    with pytest.raises(DataError, match=r"'dev'.*\['test', 'train'\]"):
        load_problems([path], "dev")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", r"row 2: not JSON"),
        ({**ROW, "id": "x", "test": []}, r"row 2: field 'test' is \[\].*not permitted"),
        ({**ROW, "id": "x", "tests": []}, r"row 2: field 'tests' is \[\]"),
        ({**ROW, "id": "x", "messages": [{"role": "user", "content": "?"}]}, "exactly one of"),
        ({**ROW, "id": "x", "tests": [{"kind": "call", "function": "f"}]}, r"row 2.*expected"),
        ({**ROW, "id": "x", "limits": {"cpu_seconds": 0}}, r"'limits.cpu_seconds' is 0"),
        (ROW, r"row 2: id 'p1' is used twice"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: Any, message: str) -> None:
    path = write(tmp_path / "p.jsonl", ROW, row)
    with pytest.raises(DataError, match=message) as caught:
        load_problems([path])
    assert str(path) in str(caught.value)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_problems([tmp_path / "absent.jsonl"])
    with pytest.raises(DataError, match="empty"):
        load_problems([write(tmp_path / "p.jsonl", "")])


def test_tests_survive_the_dataset_unchanged() -> None:
    tests = [
        {
            "kind": "call",
            "function": "f",
            "args": [[1], None],
            "kwargs": {"k": 1},
            "expected": None,
        },
        {"kind": "stdio", "stdin": "1\n", "stdout": "\u2028é\n"},
        {"kind": "assert", "code": "assert f(1) == 1"},
    ]
    problem = Problem.model_validate(
        {**ROW, "tests": tests, "checker": {"type": "unordered"}, "limits": {"cpu_seconds": 2}}
    )
    (row,) = rows.to_dataset([problem])
    program = rows.program("x", "pass", row["tests"], row["checker"], row["limits"], "")
    assert program.tests == problem.tests
    assert program.checker == problem.checker
    assert program.limits == problem.limits


def test_chat_prompts_hold_instruction_statement_and_starter_code() -> None:
    problem = Problem.model_validate({**ROW, "starter_code": "def add(a, b):\n"})
    (message,) = rows.code_row(problem, "chat", "Do it.")["prompt"]
    assert message["role"] == "user"
    for part in ("Do it.", "Add two numbers.", "def add(a, b):"):
        assert part in message["content"]
    assert rows.code_row(problem, "text")["prompt"] == "Add two numbers.def add(a, b):\n"


def test_a_conversation_cannot_become_text() -> None:
    fields = {k: v for k, v in ROW.items() if k != "prompt"}
    problem = Problem.model_validate({**fields, "messages": [{"role": "user", "content": "?"}]})
    assert rows.code_row(problem)["prompt"] == [{"role": "user", "content": "?"}]
    with pytest.raises(DataError, match="'p1'.*style"):
        rows.code_row(problem, "text")


@pytest.mark.parametrize(
    ("code", "program"),
    [
        ("x = 1\n", "import a\nx = 1\n"),
        (
            "# mine\n\nfrom __future__ import annotations\n\nx = 1\n",
            "# mine\n\nfrom __future__ import annotations\n\nimport a\nx = 1\n",
        ),
        ("x = 1\nfrom __future__ import annotations", None),
        ('"from __future__ import annotations"', None),
    ],
)
def test_a_preamble_stands_before_all_but_the_future(code: str, program: str | None) -> None:
    problem = Problem.model_validate({**ROW, "preamble": "import a\n"})
    assert problem.program(code).code == (program or "import a\n" + code)
