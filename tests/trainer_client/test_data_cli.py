"""``coderl data``: what it prints and writes, and its exit status."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from coderl.cli import app
from tests.service import KEY, Service
from trainer_client.data.problem import load_problems

ADD = {
    "id": "add",
    "prompt": "Read two integers and print the sum of them, on a line of its own, and no more.",
    "tests": [{"kind": "stdio", "stdin": "1 2\n", "stdout": "3\n"}],
    "reference": "print(sum(map(int, input().split())))\n",
}
BAD = {"id": "bad", "prompt": "?", "tests": []}


def data(*words: object, **environment: str) -> Result:
    return CliRunner(env={"COLUMNS": "150", **environment}).invoke(app, ["data", *map(str, words)])


def report(*words: object, status: int = 0, **environment: str) -> dict[str, Any]:
    result = data(*words, "--json", **environment)
    assert result.exit_code == status, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "good.jsonl", ADD, {**ADD, "id": "more", "prompt": "Add!"})


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    return write(tmp_path / "mixed.jsonl", ADD, BAD)


def test_validate(good: Path, mixed: Path) -> None:
    result = data("validate", good)
    assert (result.exit_code, result.stdout) == (
        0,
        f"{good}, format coderl: 2 problems, 0 errors\n",
    )
    result = data("validate", mixed)
    assert result.exit_code == 1
    assert "│ 2   │ field 'tests' is []: List should have at least 1 item" in result.stdout
    assert "1 problems, 1 errors" in result.stdout
    found = report("validate", mixed, status=1)
    assert (found["format"], found["problems"], found["more_errors"]) == ("coderl", 1, 0)
    assert [(row["row"], row["file"]) for row in found["bad_rows"]] == [(2, str(mixed))]


@pytest.mark.gvisor
def test_validate_runs_the_references(good: Path, live_executor: Service) -> None:
    wrong = write(
        good.parent / "wrong.jsonl",
        ADD,
        {**ADD, "id": "two", "reference": "print(2)"},
        {**ADD, "id": "none", "reference": None},
        {**ADD, "id": "raises", "reference": "1 / 0"},
    )
    words = ("--run", "--url", live_executor.url)
    assert report("validate", good, *words, CODERL_API_KEY=KEY)["failed_references"] == []
    found = report("validate", wrong, *words, status=1, CODERL_API_KEY=KEY)
    assert found["references"] == 3
    assert [(f["id"], f["verdict"], f["test"]) for f in found["failed_references"]] == [
        ("two", "wrong_answer", 1),
        ("raises", "runtime_error", 1),
    ]
    assert found["failed_references"][1]["why"].startswith("ZeroDivisionError in line 1")
    result = data("validate", good, *words, CODERL_API_KEY="wrong")
    assert result.exit_code == 1 and "coderl data: " in result.stderr


@pytest.mark.gvisor
def test_validate_starts_an_executor(good: Path) -> None:
    result = data("validate", good, "--run")
    assert result.exit_code == 0, result.output
    assert "0 of 2 references do not pass" in result.stdout


def test_convert_writes_what_the_filters_leave(good: Path, tmp_path: Path) -> None:
    rates = write(tmp_path / "rates.jsonl", {"id": "add", "passed": 1, "samples": 4})
    out = tmp_path / "made" / "out.jsonl"
    result = data("convert", good, out, "--pass-rates", rates, "--min-pass-rate", 0.25)
    assert result.exit_code == 0
    assert result.stdout == f"{out}: 1 of 2 problems kept, 1 without a pass rate\n"
    assert [p.id for p in load_problems([out])] == ["add"]
    found = report("convert", good, out, "--max-prompt-chars", 10)
    assert found["dropped"] == {"with a longer statement": ["add"]}


def test_convert_stops_at_bad_rows_unless_told(mixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = data("convert", mixed, out)
    assert result.exit_code == 1 and not out.exists()
    assert f"coderl data: {mixed}, row 2: field 'tests' is []" in result.stderr
    result = data("convert", mixed, out, "--skip-bad-rows")
    assert result.exit_code == 0
    assert result.stdout == f"{out}: 1 of 1 problems kept, 1 errors in rows left out\n"
    assert [p.id for p in load_problems([out])] == ["add"]


def test_stats(good: Path) -> None:
    found = report("stats", good)
    assert (found["problems"], found["kinds"], found["splits"]) == (2, {"stdio": 2}, {"train": 2})
    result = data("stats", good)
    assert result.exit_code == 0
    assert "│ tests             │ least 1, median 1, most 1, 2 in all" in result.stdout


def test_decontaminate(good: Path, tmp_path: Path) -> None:
    held_out = write(tmp_path / "held_out.jsonl", {**ADD, "id": "e", "reference": None})
    found = report("decontaminate", good, "--against", held_out, status=1)
    (overlap,) = found["overlaps"]
    assert (found["problems"], overlap["id"], overlap["with_id"]) == (1, "add", "e")
    assert (overlap["kind"], overlap["ratio"]) == ("statement", 1.0)
    out = tmp_path / "clean.jsonl"
    result = data("decontaminate", good, "--against", held_out, "--output", out)
    assert result.exit_code == 0
    assert "│ add     │ e" in result.stdout
    assert f"{good}: 1 of 2 problems kept, 1 contaminated" in result.stdout
    assert [p.id for p in load_problems([out])] == ["more"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["validate", "absent.jsonl"], "absent.jsonl: no such file"),
        (["stats", "{good}", "--format", "xml"], "format is 'xml': choose one of apps"),
        (["stats", "{good}", "--split", "dev"], "no problems with split 'dev'"),
        (["convert", "{good}", "o.jsonl", "--min-pass-rate", "0.5"], "give pass_rates"),
        (["convert", "{good}", "/proc/o.jsonl"], "cannot be written"),
        (["validate", "{good}", "--run", "--runtime", "lxc"], "'lxc': Input should be 'runsc'"),
        (["decontaminate", "{good}"], "--against"),
    ],
)
def test_wrong_usage(good: Path, words: list[str], message: str) -> None:
    result = data(*(word.format(good=good) for word in words))
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
