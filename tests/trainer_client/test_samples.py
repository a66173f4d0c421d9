"""The file of samples: bounded, the newest lines, and read back as written."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from executor_api.wire import CallTest, ExecuteResult, TestResult
from trainer_client.alignment.questions import Rollout
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.config import LoggingConfig
from trainer_client.data.rows import Row, alignment_row
from trainer_client.rewards import Scored
from trainer_client.training.samples import FILE_NAME, MAX_CHARS, SampleLog, read_samples

CODE: Row = {"task": "code", "problem_id": "p", "prompt": [{"role": "user", "content": "Add."}]}
QUESTION = alignment_row(AlignmentSample(program="x = 1\n", variables={"x": "1"}), "x?")


def add(log: SampleLog, step: int, completion: str = "print()") -> None:
    scored = [Scored(0.0, "no_code")] * 6 + [Scored(0.5, given={"x": "2"})] * 6
    log.add(step, [CODE] * 6 + [QUESTION] * 6, [completion] * 12, scored)


def steps(directory: Path) -> list[int]:
    return [sample.step for sample in read_samples(directory)]


def test_the_file_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    log = SampleLog(tmp_path, LoggingConfig(keep=8, rollouts=2, questions=1), seed=0)
    for step in range(1, 4):
        add(log, step)
    assert steps(tmp_path) == [2] * 3 + [3] * 3  # nine lines were too many
    for step in range(4, 20):
        add(log, step)
        assert len(steps(tmp_path)) <= 8
        assert steps(tmp_path)[-3:] == [step] * 3


def test_the_first_batch_of_every_fifth_step_is_wanted(tmp_path: Path) -> None:
    log = SampleLog(tmp_path, LoggingConfig(every=5), seed=0)
    assert [step for step in range(1, 12) if log.wants(step)] == [1, 6, 11]
    add(log, 6)
    assert [step for step in range(1, 12) if log.wants(step)] == [1, 11]


def test_a_resumed_run_drops_what_comes_after_its_checkpoint(tmp_path: Path) -> None:
    config = LoggingConfig(rollouts=1, questions=1)
    before = SampleLog(tmp_path, config, seed=0)
    for step in (1, 6, 11):
        add(before, step)
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    state = TrainerState(global_step=6, is_world_process_zero=True)
    SampleLog(tmp_path, config, seed=0).on_train_begin(arguments, state, TrainerControl())
    assert steps(tmp_path) == [1, 1, 6, 6]


def test_texts_are_cut_and_half_characters_replaced(tmp_path: Path) -> None:
    log = SampleLog(tmp_path, LoggingConfig(), seed=0)
    add(log, 1, "\ud800" + "x" * MAX_CHARS)
    sample = read_samples(tmp_path)[0]
    assert sample.completion.startswith("?x")
    assert sample.completion.endswith("x…")
    assert sample.prompt == "[user]\nAdd."


def test_what_a_failed_program_did_is_kept() -> None:
    """Also that it raised, and a test that is too long is left out."""
    from trainer_client.training.samples import _failed_test

    def failed(**outcome: Any) -> Any:
        tests = [
            CallTest(kind="call", function="f", args=[n * "a"], expected=1)
            for n in (1, 2, MAX_CHARS)
        ]
        results = [{"verdict": "accepted"}, *([{"verdict": "wrong_answer", **outcome}] * 2)]
        filled = [TestResult(**_OUTCOME | result) for result in results]
        result = ExecuteResult.model_construct(tests=filled, verdict="wrong_answer")
        return _failed_test(Rollout("p", "", tests[1:], result)), _failed_test(
            Rollout("p", "", tests, result)
        )

    long, short = failed(value="2")
    assert (short.number, short.verdict, short.got) == (2, "wrong_answer", "2")
    assert short.test.args == ["aa"]
    assert (long.number, long.test) == (2, None)
    raised, _ = failed(exception={"type": "KeyError", "message": "k", "line": 1})
    assert raised.got == "KeyError: k"


_OUTCOME: dict[str, Any] = {
    "stdout": "",
    "stdout_truncated": False,
    "stderr": "",
    "value": None,
    "exception": None,
    "cpu_seconds": 0.0,
    "wall_seconds": 0.0,
    "memory_mb": 0.0,
}


def test_a_line_that_is_no_sample_is_named(tmp_path: Path) -> None:
    assert read_samples(tmp_path) == []
    (tmp_path / FILE_NAME).write_text(json.dumps({"task": "code"}) + "\n")
    with pytest.raises(ValueError, match=r"samples.jsonl, line 1, is no sample"):
        read_samples(tmp_path)
