"""Completions out of files, and what becomes of them when the executor fails."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from coderl.cli import app
from tests.service import KEY, Service
from tests.trainer_client.evals import A, N, W, case, problem
from tests.trainer_client.faulty_server import FaultyServer, results, status, well
from trainer_client import ExecutorClient, Unauthorized
from trainer_client.data.errors import DataError
from trainer_client.evals import grading
from trainer_client.evals.benchmarks import BENCHMARKS, Questions
from trainer_client.evals.cases import Case, EvalError, Prompt, Reading
from trainer_client.evals.completions import read_completions
from trainer_client.evals.grading import grade
from trainer_client.evals.results import QUESTIONS, load_results
from trainer_client.evals.runs import evaluate

RIGHT = "def add(a, b): return a + b"
CASES = [case("add"), case("sum")]


def lose(made: list[dict[str, Any]]) -> None:
    """Every program that was sent is without a verdict."""
    for one in made:
        one |= {"verdict": "sandbox_error", "passed": None}
        one["tests"] = [{"verdict": "sandbox_error", "message": "the sandbox died"}]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading, "PAUSE_SECONDS", 0.01)


@pytest.mark.gvisor
async def test_each_different_program_is_run_once(live_executor: Service) -> None:
    texts = [RIGHT, "def add(a, b): return a * b", RIGHT, "", "def add(a, b): return a +"]
    told: list[tuple[int, int]] = []
    async with ExecutorClient(live_executor.url, KEY) as client:
        found = await grade(
            [(CASES[0], text) for text in texts], client, lambda *counts: told.append(counts)
        )
        assert client.stats().programs == 3
    assert [one.verdict for one in found] == [A, W, A, "no_answer", "compile_error"]
    assert [one.passed for one in found] == [True, False, True, False, False]
    assert [one.index for one in found] == [0, 1, 2, 3, 4]
    assert "expected" in found[1].message or "fails" in found[1].message
    assert found[4].message.startswith("SyntaxError")
    assert told == [(3, 3)]


async def test_what_has_no_verdict_is_asked_for_again(server: FaultyServer) -> None:
    server.faults = [results(lose)] * 2
    async with ExecutorClient(server.url) as client:
        (found,) = await grade([(CASES[0], RIGHT)], client)
    assert (found.verdict, found.passed) == (A, True)


async def test_what_never_has_a_verdict_is_no_wrong_answer(server: FaultyServer) -> None:
    server.always = results(lose)
    async with ExecutorClient(server.url) as client:
        found = await grade([(CASES[0], RIGHT), (CASES[0], "")], client)
    assert [(one.verdict, one.passed) for one in found] == [(N, None), ("no_answer", False)]
    assert found[0].message == "the sandbox died"


async def test_a_key_that_is_not_accepted_ends_it(server: FaultyServer) -> None:
    server.always = status(401)
    async with ExecutorClient(server.url) as client:
        with pytest.raises(Unauthorized):
            await grade([(CASES[0], RIGHT)], client)


def evaluated(server: FaultyServer, folder: Path) -> Result:
    """``coderl eval`` of two samples of a problem."""
    rows = [{"task_id": "add", "completion": text} for text in (RIGHT, RIGHT + " + 0")]
    given = written(folder / "completions.jsonl", *rows)
    data = folder / "problems.jsonl"
    data.write_text(problem().model_dump_json(exclude_unset=True))
    where = ["--url", server.url, "--output", str(folder / "results")]
    asked = ["eval", "problems", "--data", str(data), "--completions", str(given), *where]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, asked)


def test_a_sample_without_a_verdict_is_an_exit_status(server: FaultyServer, tmp_path: Path) -> None:
    server.faults = [well, *[results(lambda made: lose(made[:1]))] * 3]
    found = evaluated(server, tmp_path)
    assert found.exit_code == 1
    assert "1 accepted, 1 no_verdict" in found.output or "1 no_verdict, 1 acc" in found.output
    assert "1 of 2 samples have no verdict" in found.output and "1.000" in found.output
    assert load_results(tmp_path / "results").without_verdict == 1


def test_completions_outlive_an_executor_that_judges_none(
    server: FaultyServer, tmp_path: Path
) -> None:
    server.faults = [well, *[results(lose)] * 3]
    found = evaluated(server, tmp_path)
    assert found.exit_code == 1
    assert "the executor judged none of 2 samples (the sandbox died)" in found.output
    kept = (tmp_path / "results" / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line)["completion"] for line in kept] == [RIGHT, RIGHT + " + 0"]


async def test_uneven_answers_about_a_probe_lose_nothing(
    server: FaultyServer, tmp_path: Path
) -> None:
    asked = [
        Case(
            f"p/0/1/x#{name}",
            Prompt([], ""),
            lambda text: Reading(text, "answer", right=True),
            cluster="p",
            labels={"question": name},
        )
        for name in QUESTIONS
    ]
    rows = [{"task_id": one.id, "completion": "1"} for one in (*asked, asked[0])]
    file = written(tmp_path / "c.jsonl", *rows)
    async with ExecutorClient(server.url) as client:
        found = await evaluate(BENCHMARKS["reval"], Questions("here", asked, 1), file, client)
    assert found.results.verdicts == {A: 5} and len(found.samples) == 5
    assert {metric.name for metric in found.results.metrics} == {"pass@1"}
    assert "1 of 1 probes have unequal numbers of samples" in found.results.warnings[-2]
    assert "no consistency" in found.results.warnings[-1]


# --- files ------------------------------------------------------------------------------


def written(path: Path, *rows: Any) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz"])
def test_forms_of_completions(tmp_path: Path, name: str) -> None:
    path = written(
        tmp_path / name,
        {"task_id": "add", "completion": "1", "model": "x"},
        {"id": "sum", "solution": "2"},
        {"task_id": "add", "completion": ["3", "4\ud800"]},
    )
    found, warnings = read_completions(path, CASES)
    assert [(one.id, text) for one, text in found] == [
        ("add", "1"),
        ("sum", "2"),
        ("add", "3"),
        ("add", "4\ufffd"),
    ]
    assert warnings == [
        "1 problems have fewer than 3 samples (sum): they are left out of pass@k for a larger k"
    ]


def test_missing_tasks_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "c.jsonl", {"task_id": "sum", "completion": "x"})
    _, (warning,) = read_completions(path, CASES)
    assert "no completion for 1 of 2 problems (add): the numbers are of the other 1" in warning


def test_unknown_tasks_are_refused(tmp_path: Path) -> None:
    rows = [{"task_id": f"HumanEval/{i}", "completion": "x"} for i in range(7)]
    path = written(tmp_path / "c.jsonl", *rows, {"task_id": "add", "completion": "x"})
    message = r"7 of 8 task ids are not of this benchmark: HumanEval/0, .*, …; they look like add"
    with pytest.raises(EvalError, match=message):
        read_completions(path, CASES)


def test_all_bad_rows_are_named(tmp_path: Path) -> None:
    path = written(
        tmp_path / "c.jsonl",
        {"completion": "x"},
        {"task_id": "add"},
        {"task_id": "add", "completion": [1]},
    )
    with pytest.raises(DataError) as caught:
        read_completions(path, CASES)
    assert [row.row for row in caught.value.rows] == [1, 2, 3]
    assert "row 2: field 'completion' is None: give text" in str(caught.value)
