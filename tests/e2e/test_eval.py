"""``coderl eval`` as it is used: real data, real models, the real executor."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from coderl.cli import app
from coderl.evals import ABOUT
from tests.data_sets import HUMANEVAL
from tests.light import light
from tests.service import KEY, Service, running_service
from trainer_client.evals.benchmarks import BENCHMARKS
from trainer_client.micro.model import load_model, save_model

needs_humaneval = pytest.mark.skipif(not HUMANEVAL.exists(), reason=f"no HumanEval at {HUMANEVAL}")


@pytest.fixture(scope="module")
def executor() -> Iterator[Service]:
    with running_service("runsc") as service:
        yield service


def coderl(*arguments: Any) -> Result:
    runner = CliRunner(env={"CODERL_API_KEY": KEY, "COLUMNS": "200"})
    return runner.invoke(app, ["eval", *map(str, arguments)])


def evaluated(executor: Service, output: Path, *arguments: Any) -> dict[str, Any]:
    """The results as ``--json`` prints them, which are those in the directory."""
    result = coderl(*arguments, "--url", executor.url, "--output", output, "--json")
    assert result.exit_code == 0, result.output
    printed: dict[str, Any] = json.loads(result.stdout)
    assert printed == json.loads((output / "results.json").read_text())
    return printed


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return [json.loads(line) for line in file]


def test_the_command_line_names_every_benchmark() -> None:
    assert list(ABOUT) == list(BENCHMARKS)


@pytest.mark.gvisor
@needs_humaneval
def test_canonical_solutions_in_one_command(executor: Service, tmp_path: Path) -> None:
    """As continuations, and one in three as a whole program in a text."""
    file = tmp_path / "canonical.jsonl.gz"
    with gzip.open(file, "wt") as out:
        for number, row in enumerate(rows(HUMANEVAL)):
            text = row["canonical_solution"]
            if number % 3 == 0:
                text = f"Here it is:\n```python\n{row['prompt']}{text}\n```\n"
            out.write(json.dumps({"task_id": row["task_id"], "completion": text}) + "\n")
    given = ("humaneval", "--data", HUMANEVAL, "--completions", file)
    results = evaluated(executor, tmp_path / "results", *given)
    assert results["verdicts"] == {"accepted": 164}
    (metric,) = results["metrics"]
    assert (metric["name"], metric["value"]["mean"], metric["problems"]) == ("pass@1", 1.0, 164)
    forms = [sample["form"] for sample in rows(tmp_path / "results" / "samples.jsonl")]
    assert (forms.count("program"), forms.count("continuation")) == (55, 109)


@pytest.mark.gvisor
def test_a_model_is_sampled_and_compared(executor: Service, tmp_path: Path) -> None:
    """The micro checkpoint, by its name and out of a run's directory."""
    save_model(*load_model(), tmp_path / "run")
    drawn = ("--limit", 8, "--batch", 32)
    greedy = evaluated(executor, tmp_path / "a", "micro", "--model", "micro", *drawn)
    saved = evaluated(executor, tmp_path / "b", "micro", "--model", tmp_path / "run", *drawn)
    assert greedy["sampling"] == saved["sampling"] and greedy["sampling"]["temperature"] == 0
    assert greedy["problems"] == saved["problems"] and len(greedy["problems"]) == 8

    several = ("micro", "--model", "micro", *drawn, "-n", 5, "--seed", 1)
    first = evaluated(executor, tmp_path / "c", *several)
    again = evaluated(executor, tmp_path / "d", *several)
    assert first["problems"] == again["problems"]
    assert [m["name"] for m in first["metrics"] if not m["of"]] == ["pass@1", "pass@5"]
    for rate in rows(tmp_path / "c" / "pass_rates.jsonl"):
        assert rate.keys() == {"id", "passed", "samples"} and rate["samples"] == 5

    compared = coderl("compare", tmp_path / "a", tmp_path / "c", "--json")
    found = json.loads(compared.stdout)
    assert (found["problems"], found["p"]) == (8, None)
    assert found["difference"]["mean"] == pytest.approx(
        first["metrics"][0]["value"]["mean"] - greedy["metrics"][0]["value"]["mean"]
    )
    shown = coderl("compare", tmp_path / "a", tmp_path / "c")
    assert shown.exit_code == 0 and "no exact test: 8 of 8 problems" in shown.output
    shown = coderl("compare", tmp_path / "c", tmp_path / "d")
    assert shown.exit_code == 0 and "exact sign test: p = 1. " in shown.output


@pytest.mark.gvisor
def test_its_own_samples_can_be_judged_again(executor: Service, tmp_path: Path) -> None:
    problem = {
        "id": "double",
        "prompt": "Double a number.",
        "tests": [{"kind": "call", "function": "f", "args": [2], "expected": 4}],
    }
    (tmp_path / "problems.jsonl").write_text(json.dumps(problem))
    lines = [{"task_id": "double", "completion": f"def f(x): return x {o} 2"} for o in "+*-"]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, lines)))
    given = ("problems", "--data", tmp_path / "problems.jsonl", "--completions")
    first = evaluated(executor, tmp_path / "a", *given, tmp_path / "c.jsonl", "--k", "1,3")
    assert [metric["value"]["mean"] for metric in first["metrics"]] == [pytest.approx(2 / 3), 1.0]
    again = evaluated(executor, tmp_path / "b", *given, tmp_path / "a" / "samples.jsonl")
    assert (
        first["problems"]
        == again["problems"]
        == [
            {
                "id": "double",
                "verdicts": ["accepted", "accepted", "wrong_answer"],
                "cluster": "",
                "labels": {},
            }
        ]
    )
    table = coderl(*given, tmp_path / "c.jsonl", "--url", executor.url, "--output", tmp_path / "c")
    assert table.exit_code == 0 and ".667 [.667, .667]" in table.output


@pytest.mark.gvisor
@pytest.mark.slow
@needs_humaneval
def test_smollm2_answers_in_chat(executor: Service, smollm2: Path, tmp_path: Path) -> None:
    given = ("humaneval", "--data", HUMANEVAL, "--model", smollm2, "--limit", 1)
    results = evaluated(executor, tmp_path, *given, "--max-new-tokens", 40)
    (sample,) = rows(tmp_path / "samples.jsonl")
    assert sample["answer"].startswith("def has_close_elements(")
    assert results["sampling"]["style"] == "chat"
    assert results["warnings"][0].startswith("1 of 1 completions were cut at 40 tokens")


ONE = {"id": "one", "prompt": "Print 1.", "tests": [{"kind": "stdio", "stdout": "1\n"}]}


@pytest.mark.gvisor
def test_completions_are_graded_with_the_extra_for_it_alone(
    executor: Service, tmp_path: Path
) -> None:
    (tmp_path / "problems.jsonl").write_text(json.dumps(ONE) + "\n")
    (tmp_path / "c.jsonl").write_text(json.dumps({"task_id": "one", "completion": "print(1)"}))

    given = ("--data", tmp_path / "problems.jsonl", "--completions", tmp_path / "c.jsonl")
    command = ("eval", "problems", *given, "--url", executor.url, "--output", tmp_path / "out")
    done = light("eval", *command, "--json", CODERL_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdicts"] == {"accepted": 1}
    refused = light("eval", "train", "recipes/micro.yaml")
    assert refused.returncode == 1
    assert refused.stderr == (
        "coderl: this needs transformers: pip install 'coderl-plus[trainer]'\n"
    )


@pytest.mark.gvisor
def test_an_executor_is_started_for_the_call(tmp_path: Path) -> None:
    result = coderl("micro", "--model", "micro", "--limit", 2, "--output", tmp_path / "o")
    assert result.exit_code == 0, result.output
    assert "pass@1" in result.output and "2 accepted" in result.output.replace("1 accepted, 1", "2")
    assert " ready at " in (tmp_path / "o" / "executor.log").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["micro"], "exactly one of --model and --completions"),
        (["micro", "--model", "micro", "--completions", __file__], "exactly one of"),
        (["micro", "--model", "micro", "--k", "0"], "is not of the form 1,10"),
        (["micro", "--model", "micro", "-n", "2", "--temperature", "0"], "0 is greedy"),
        (["micro", "--model", "micro", "--style", "prose"], "'prose' is not one of chat, text"),
        (["cruxeval-o", "--model", "micro", "--scoring", "lax"], "'lax' is not one of run, strict"),
        (["micro", "--model", "micro", "--runtime", "runc"], "'runc': Input should be 'runsc'"),
        (["micro", "--completions", __file__, "--limit", "3"], "the file says what there is"),
        (["problems", "--model", "micro"], "problems has no data of its own: give --data FILE"),
        (["mbpp", "--model", "micro", "--data", "/no/file.jsonl"], "/no/file.jsonl: no such file"),
        (["micro", "--model", "micro", "--cot"], "--cot is not for micro, only for livecodebench-"),
        (["compare", "/no", "/no"], "does not exist"),
        (["compare", "/", "/"], "/results.json cannot be read"),
    ],
)
def test_wrong_usage_is_said(arguments: list[str], message: str) -> None:
    result = coderl(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


@pytest.mark.gvisor
def test_what_a_model_cannot_do_is_said_before_it_is_tried(
    executor: Service, tmp_path: Path
) -> None:
    for arguments, message in (
        (["--model", "micro", "--k", "3"], "no problem has more than 1 samples"),
        (["--model", "micro", "--style", "chat"], "the model has no chat template"),
        (["--model", "micro", "--max-new-tokens", "400"], "the model has a context of 256"),
        (["--model", str(tmp_path)], "it holds neither a model (config.json) nor a checkpoint"),
        (["--model", "/no/model"], "no such file or directory"),
    ):
        result = coderl("micro", *arguments, "--url", executor.url, "--output", tmp_path / "o")
        assert result.exit_code == 2, result.output
        assert message in " ".join(result.output.split())
        assert not (tmp_path / "o").exists()


@pytest.mark.gvisor
def test_an_executor_that_refuses_is_said(executor: Service, tmp_path: Path) -> None:
    arguments = ["eval", "micro", "--model", "micro", "--limit", "1", "--url", executor.url]
    runner = CliRunner(env={"CODERL_API_KEY": "another"})
    result = runner.invoke(app, [*arguments, "--output", str(tmp_path / "o")])
    assert result.exit_code == 1 and "401" in result.output, result.output
