"""What a run says on the terminal, and where else it may report to."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from transformers import TrainerControl, TrainerState, TrainingArguments

from trainer_client.config import ConfigError
from trainer_client.training import planning
from trainer_client.training.callbacks import Progress, _duration


def lines(logs: dict[str, Any], step: int = 5) -> str:
    output = StringIO()
    progress = Progress(Console(file=output, width=300))
    arguments = TrainingArguments(output_dir="unused", use_cpu=True)
    state = TrainerState(max_steps=8, is_world_process_zero=True)
    progress.on_train_begin(arguments, state, TrainerControl())
    state.global_step = step
    progress.on_log(arguments, state, TrainerControl(), logs)
    return output.getvalue()


LOGS = {
    "code/pass_rate": 0.25,
    "code/reward": 0.25,
    "alignment/reward": 0.5,
    "executor/latency_seconds": 0.3,
    "executor/wait_share": 0.021,
    "executor/failures": 1,
    "tokens/per_second": 12345.6,
    "step_time": 2.0,
}


def test_a_step_shows_both_objectives_the_executor_and_the_time_left() -> None:
    said = lines(LOGS)
    assert said.startswith("step 5/8")
    for part in ("pass 0.250", "alignment reward 0.500", "executor 0.30 s", "waiting 2%"):
        assert part in said
    assert "failures 1" in said and "tokens/s 12,346" in said and "left 0 s" in said


def test_the_last_step_has_no_time_left_and_an_evaluation_none_to_tell() -> None:
    assert "left" not in lines(LOGS, step=8)
    said = lines({"eval_code/pass_rate": 0.5})
    assert said.startswith("eval 5/8") and "left" not in said
    assert lines({"train_runtime": 3.0}) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (7260, "2 h 01 min")],
)
def test_a_duration_is_written_for_people(seconds: float, text: str) -> None:
    assert _duration(seconds) == text


def test_reporting_needs_a_known_place_and_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "get_available_reporting_integrations", lambda: ["tensorboard"])
    for fine in (None, "none", "all", "tensorboard", ["tensorboard"]):
        planning._check_reporting(fine)
    for absent in ("wandb", "trackio"):
        with pytest.raises(ConfigError, match=f"report_to is '{absent}'.*pip install {absent}"):
            planning._check_reporting(["tensorboard", absent])
    with pytest.raises(ConfigError, match=r"report_to is 'tensorbord'; .*one of|tensorboard"):
        planning._check_reporting("tensorbord")
