"""The demo end to end: executor in gVisor, evaluation, two training steps, evaluation, report."""

from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from executor_api.wire import ExecuteResult, Verdict
from tests.service import KEY, Service
from trainer_client.alignment.questions import Rollout
from trainer_client.config import load_recipe
from trainer_client.demo import OUTPUT, Measured, _clear, _written, demo, main
from trainer_client.evaluate import Programs
from trainer_client.training import train
from trainer_client.training.train import RunResult

APP = typer.Typer()
APP.command()(main)


def test_what_it_cannot_do_is_said_without_advice_on_something_else(tmp_path: Path) -> None:
    words = ["--output_dir", str(tmp_path), "--model", "{type: hf, path: x}"]
    result = CliRunner().invoke(APP, ["--", *words])
    assert result.exit_code == 1
    assert "The demo cannot run: model.type is 'hf': the demo needs 'micro'" in result.stdout
    assert "gVisor" not in result.stdout


def test_what_an_interrupted_demo_left_is_cleared_unless_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(Path("recipes/micro.yaml"), ["--output_dir", str(OUTPUT)])
    monkeypatch.chdir(tmp_path)
    for where in (OUTPUT, Path("mine")):
        (where / "checkpoint-3").mkdir(parents=True)
    _clear(recipe.model_copy(update={"resume": True}))
    _clear(recipe.model_copy(update={"output_dir": Path("mine")}))
    assert (OUTPUT / "checkpoint-3").is_dir() and Path("mine/checkpoint-3").is_dir()
    _clear(recipe)
    assert not (OUTPUT / "checkpoint-3").exists()


def test_a_problem_without_a_verdict_is_left_out_on_both_sides() -> None:
    def programs(*verdicts: Verdict) -> Programs:
        passed = {Verdict.ACCEPTED: 1, Verdict.WRONG_ANSWER: 0}
        results = [
            ExecuteResult.model_construct(verdict=v, tests=[], passed=passed.get(v), total=1)
            for v in verdicts
        ]
        return Programs([[Rollout(str(n), "", [], r)] for n, r in enumerate(results)])

    right, wrong, lost = Verdict.ACCEPTED, Verdict.WRONG_ANSWER, Verdict.SANDBOX_ERROR
    first = Measured(programs(right, wrong, lost, right), programs(right, wrong, right, right))
    second = Measured(programs(lost, right, right, right), programs(right, wrong, right, wrong))
    sampled, greedy = _written(first, second)
    assert (sampled.cases, sampled.before.mean, sampled.after.mean) == (2, 0.5, 1.0)
    assert (greedy.cases, greedy.before.mean, greedy.after.mean) == (2, 0.5, 0.0)
    none = Measured(programs(lost), programs(lost))
    assert _written(none, none) == []


@pytest.mark.gvisor
def test_an_interrupted_training_is_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live_executor: Service
) -> None:
    """The executor wants a key, too."""
    monkeypatch.setenv("CODERL_API_KEY", KEY)
    stopped = RunResult(tmp_path, steps=3, interrupted=True, metrics={})
    monkeypatch.setattr(train, "run", lambda recipe: stopped)
    words = ["--output_dir", str(tmp_path), "--executor.url", live_executor.url]
    result = CliRunner().invoke(APP, ["--problems", "2", "--", *words])
    assert result.exit_code == 1
    assert "Interrupted after step 3. Go on with: make demo ARGS='-- --resume'" in result.stdout


@pytest.mark.gvisor
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_demo_trains_and_reports(tmp_path: Path) -> None:
    overrides = ["--grpo.max_steps", "2", "--output_dir", str(tmp_path)]
    output = StringIO()
    console = Console(file=output, width=160)
    report = demo(load_recipe(Path("recipes/micro.yaml"), overrides), 24, console)
    assert [row.cases for row in report.rows[:2]] == [24, 24]
    assert [row.metric for row in report.rows[2:]] == ["variables sampled", "variables greedy"]
    assert report.rows[2].cases == report.rows[3].cases >= 5
    assert 0 < report.rows[0].before.mean < 1
    assert {curve.label for curve in report.curves} >= {"pass rate", "variables right"}
    assert all(failure.verdict != "accepted" for failure in report.failures)
    assert (tmp_path / "report.html").is_file() and (tmp_path / "curves.png").is_file()
    assert "A failed program" in output.getvalue() and "report.html" in output.getvalue()
