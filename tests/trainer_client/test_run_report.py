"""``coderl report``: the page of a run directory, and what is no run directory."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from coderl.cli import app
from tests.service import KEY, Service
from trainer_client.report import Report, Row, write_report
from trainer_client.run_report import NoRun, curves, read_run, request_trace, verdict_shares
from trainer_client.statistics import Interval

LOGS: list[dict[str, Any]] = [
    {
        "step": step,
        "code/pass_rate": 0.1 * step,
        "alignment/reward": None if step == 1 else 0.5,
        "code/verdict/accepted": step,
        "code/verdict/wrong_answer": 10 - step,
        "executor/wait_share": 0.02,
        "executor/wait_seconds": 0.1,
        "tokens/code": 100,
        "tokens/generated": 100 * step,
    }
    for step in (1, 2)
]
LOGS[1]["code/verdict/no_code"] = 2
LOGS.append({"step": 2, "train_runtime": 90.0})

PROGRAM = "def f(n):\n    t = 0\n    for i in range(n):\n        t += i\n    return t / (n - 4)\n"
COMMON = {"problem_id": "p", "prompt": "Add <them>.", "completion": PROGRAM, "reward": 0.0}
CODE: dict[str, Any] = {
    **COMMON,
    "task": "code",
    "verdict": "runtime_error",
    "program": PROGRAM,
    "failed": {
        "number": 2,
        "test": {"kind": "call", "function": "f", "args": [4], "expected": 6},
        "verdict": "runtime_error",
        "got": "ZeroDivisionError: division by zero",
    },
}
ASKED = {
    **COMMON,
    "task": "alignment",
    "program": PROGRAM,
    "input": "f(4)",
    "answers": {"f.t": "6", "f.i": "3"},
    "given": {"f.t": "6"},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "a-run"
    directory.mkdir()
    (directory / "metrics.jsonl").write_text("".join(json.dumps(log) + "\n" for log in LOGS))
    samples = [{"step": step, **kind} for step in range(1, 12) for kind in (CODE, ASKED)]
    (directory / "samples.jsonl").write_text("".join(json.dumps(s) + "\n" for s in samples))
    return directory


def test_curves_and_shares_hold_what_was_logged() -> None:
    found = {curve.label: curve for curve in curves(LOGS)}
    assert found["pass rate"].values == [0.1, 0.2]
    assert (found["variables right"].steps, found["variables right"].values) == ([2], [0.5])
    assert "answers" not in found
    shares = verdict_shares(LOGS)
    assert shares is not None
    assert list(shares.of) == ["accepted", "wrong_answer", "no_code"]
    assert shares.of["accepted"] == [0.1, 2 / 12]
    assert [sum(step) for step in zip(*shares.of.values(), strict=True)] == pytest.approx([1, 1])
    assert verdict_shares(LOGS[2:]) is None


def test_a_run_is_shown_by_its_first_and_last_samples(run: Path) -> None:
    report = read_run(run)
    assert report.title == "Training run a-run"
    assert report.facts == {
        "steps": "2",
        "minutes": "1.5",
        "generated tokens": "200",
        "waiting for the executor": "2.0%",
    }
    assert [rollout.step for rollout in report.rollouts] == [1, 2, 3, 4, 8, 9, 10, 11]
    assert report.rollouts[0].failed == {
        "input": "f(4)",
        "expected": "6",
        "got": "ZeroDivisionError: division by zero",
    }
    assert [question.step for question in report.questions] == [1, 2, 3, 4, 8, 9, 10, 11]
    assert (report.questions[0].right, report.questions[0].answer["f.i"]) == (1, None)


def test_an_evaluation_of_the_run_stays_and_one_of_an_older_run_goes(run: Path) -> None:
    half = Interval(mean=0.5, low=0.4, high=0.6)
    row = Row(metric="pass@1", before=half, after=half, difference=half, cases=9)
    write_report(Report(title="Evaluated", rows=[row], facts={"problems": "9"}), run)
    again = read_run(run)
    assert (again.title, again.rows, again.facts["problems"]) == ("Evaluated", [row], "9")
    (run / "metrics.jsonl").write_text(json.dumps({"step": 1}) + "\n")
    assert read_run(run).rows == []


@pytest.mark.gvisor
def test_failed_programs_are_traced_where_asked_for(
    run: Path, live_executor: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODERL_API_KEY", KEY)
    done = CliRunner().invoke(app, ["report", str(run), "--trace", "--url", live_executor.url])
    assert done.exit_code == 0, done.output
    page = (run / "report.html").read_text()
    assert "×5" in page and "t = 1, 3, 6" in page and "i = 0, 1, …, 3" in page
    assert '<code class="wrong">    return t / (n - 4)</code>' in page
    assert "Add &lt;them&gt;." in page


@pytest.mark.parametrize(
    ("test", "call"),
    [
        ({"kind": "assert", "code": "assert f(4) == 6"}, "f"),
        ({"kind": "assert", "code": "for n in (4, 5):\n    assert f(n)"}, None),
        (None, None),
    ],
)
def test_an_assertion_is_traced_as_the_call_it_is_about(
    run: Path, test: dict[str, Any] | None, call: str | None
) -> None:
    sample = {**CODE, "step": 1, "failed": {**CODE["failed"], "test": test}}
    (run / "samples.jsonl").write_text(json.dumps(sample) + "\n")
    (rollout,) = read_run(run).rollouts
    asked = request_trace(rollout)
    assert (asked and asked.call and asked.call.function) == call


def test_without_traces_nothing_runs(run: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(run)])
    assert done.exit_code == 0
    assert "report.html: open it in a browser" in done.output
    assert "ZeroDivisionError: division by zero" in (run / "report.html").read_text()


@pytest.mark.gvisor
def test_an_executor_that_refuses_is_said(
    run: Path, live_executor: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODERL_API_KEY", "wrong")
    done = CliRunner().invoke(app, ["report", str(run), "--trace", "--url", live_executor.url])
    assert done.exit_code == 1
    assert "coderl report: no traces: " in done.output
    assert "Traceback" not in done.output


def test_what_is_no_run_is_named(tmp_path: Path, run: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 2
    assert "give the output_dir of a run" in done.output
    (run / "samples.jsonl").write_text("{}\n")
    with pytest.raises(NoRun, match=r"samples.jsonl, line 1"):
        read_run(run)
    (run / "metrics.jsonl").write_text("3\n")
    with pytest.raises(NoRun, match=r"metrics.jsonl is no log"):
        read_run(run)
