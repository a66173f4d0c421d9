"""Every algorithm makes the micro model better at a few problems, with both objectives in the
batch and every program judged under gVisor."""

import json
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from tests.service import KEY, Service
from trainer_client.algorithms.settings import ALGORITHMS
from trainer_client.config import Recipe
from trainer_client.training import train
from trainer_client.training.callbacks import METRICS_FILE

pytestmark = [pytest.mark.gvisor, pytest.mark.slow]

PROBLEMS, GROUP, STEPS = 9, 6, 6

ALWAYS = {"grpo", "dapo"}
"""The others differ from the first in terms that ``test_algorithms`` checks by hand."""


def fields(executor: Service, folder: Path) -> dict[str, Any]:
    """Every step has all problems, so the pass rate of a step is that of the set."""
    return {
        "model": {"type": "micro"},
        "data": {"type": "micro", "count": PROBLEMS, "seed": 1},
        "executor": {"url": [executor.url]},
        "reward": {"extract": "raw"},
        "alignment": {
            "groups": 1,
            "max_prompt_tokens": 128,
            "questions": {
                "format": "trainer_client.micro.alignment:MicroFormat",
                "exceptions": False,
                "max_traces": 6,
                "max_variables": 4,
                "max_value_chars": 26,
            },
        },
        "optimizer": {"type": "muon", "learning_rate": 1.5e-3, "adamw_learning_rate": 6e-4},
        "grpo": {
            "max_steps": STEPS,
            "lr_scheduler_type": "constant",
            "per_device_train_batch_size": PROBLEMS * GROUP,
            "num_generations": GROUP,
            "max_completion_length": 40,
            "save_strategy": "no",
        },
        "output_dir": str(folder),
    }


@pytest.mark.parametrize(
    "algorithm",
    [
        pytest.param(name, marks=[pytest.mark.exhaustive] * (name not in ALWAYS))
        for name in ALGORITHMS
    ],
)
def test_the_pass_rate_of_a_fixed_set_rises(
    algorithm: str, live_executor: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODERL_API_KEY", KEY)
    recipe = Recipe.model_validate({**fields(live_executor, tmp_path), "algorithm": algorithm})
    train.run(recipe)
    lines = (tmp_path / METRICS_FILE).read_text().splitlines()
    steps = [entry for line in lines if "loss" in (entry := json.loads(line))]
    assert len(steps) == STEPS
    rates = [step["code/pass_rate"] for step in steps]
    assert mean(rates[-2:]) > mean(rates[:2]) + 0.05, rates
    assert sum(step["alignment/groups"] for step in steps) == STEPS - 1
    assert all(step["executor/failures"] == 0 for step in steps)
