"""``coderl alignment show`` on a run's record."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coderl.cli import app
from executor_api.wire import CallSpec
from tests.service import KEY, Service
from trainer_client.alignment.curriculum import Outcome
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.alignment.store import SampleStore

CODE = "def f(s):\n    x = s[::-1]\n    return x\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    right, forged = (
        AlignmentSample(
            program=CODE, call=CallSpec(function="f", args=["ab"]), variables={"f.x": value}
        )
        for value in ("'ba'", "'forged'")
    )
    store = SampleStore(tmp_path)
    store.append(0, [Outcome(right, [{"f.x": "'ba'"}, None], [1.0, 0.0])])
    store.append(1, [Outcome(forged, [{"f.x": "'ba'"}], [0.0])])
    return tmp_path


def invoke(*words: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["alignment", "show", *map(str, words)])
    return result.exit_code, result.output


def test_the_program_the_truth_and_the_answers_are_shown(run: Path) -> None:
    status, text = invoke(run, "--step", "0")
    assert status == 0
    for part in ("x = s[::-1]", "f('ab')", "f.x", "'ba'", "mean reward 0.500 of 2 answers"):
        assert part in text


def test_json_has_one_question_a_line(run: Path) -> None:
    status, text = invoke(run, "--json", "--limit", "1")
    (line,) = text.splitlines()
    assert (status, json.loads(line)["step"]) == (0, 1)


@pytest.mark.parametrize("words", [["--step", "9"], ["--id", "zz"]])
def test_nothing_found_is_an_error(run: Path, words: list[str]) -> None:
    status, text = invoke(run, *words)
    assert (status, "no question" in text) == (2, True)


def test_a_folder_without_questions_is_an_error(tmp_path: Path) -> None:
    assert invoke(tmp_path)[0] == 2


@pytest.mark.gvisor
def test_labels_are_checked_by_tracing_again(
    run: Path, live_executor: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODERL_API_KEY", KEY)
    status, text = invoke(run, "--check", "--url", live_executor.url)
    assert status == 1
    assert "f.x: was 'forged', is 'ba'" in text
    assert "2 questions traced again, 1 with other answers" in text
    assert invoke(run, "--check", "--step", "0", "--url", live_executor.url)[0] == 0
