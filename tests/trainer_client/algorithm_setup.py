"""A trainer of the tiny policy on scripted problems, for the tests of the algorithms."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.trainer_client.scripted import QUESTION, ScriptedExecutor
from trainer_client.config import HfModel, Recipe
from trainer_client.models import Policy, load_policy
from trainer_client.training import train
from trainer_client.training.planning import plan
from trainer_client.training.trainer import CodeRLPlusTrainer

__all__ = ["GROUP", "LENGTH", "build", "load", "recipe_fields", "rows"]

GROUP = 6
LENGTH = 8


def load(policy: Path) -> Policy:
    return load_policy(HfModel(type="hf", path=str(policy)), policy)


def recipe_fields(policy: Path, folder: Path, problems: Sequence[str], groups: int) -> Any:
    """A recipe whose batch has so many code groups; about half of the rollouts are truncated."""
    file = folder / "problems.jsonl"
    file.write_text("".join(json.dumps(_problem(name)) + "\n" for name in problems))
    return {
        "model": {"type": "hf", "path": str(policy)},
        "data": {"type": "jsonl", "paths": [str(file)], "instruction": "Go."},
        "reward": {
            "type": "fraction",
            "extract": "tests.trainer_client.tiny_policy:any_program",
            "weight": 2.0,
        },
        "alignment": {
            "groups": 1,
            "questions": {"format": "tests.trainer_client.scripted:PickyFormat"},
        },
        "grpo": {
            "num_generations": GROUP,
            "per_device_train_batch_size": GROUP * groups,
            "max_completion_length": LENGTH,
            "generation_kwargs": {"sequence_bias": [[[load(policy)[1].eos_token_id], 3.2]]},
        },
        "output_dir": str(folder / "out"),
    }


def _problem(name: str) -> dict[str, Any]:
    tests = [{"kind": "stdio", "stdout": name} for _ in range(4)]
    return {"id": name, "prompt": f"Problem {name}.", "tests": tests}


def build(fields: dict[str, Any], algorithm: Any, seed: int = 0, **grpo: Any) -> CodeRLPlusTrainer:
    """A trainer that has one question to ask and is about to take a step."""
    chosen = Recipe.model_validate(
        {**fields, "algorithm": algorithm, "seed": seed, "grpo": {**fields["grpo"], **grpo}}
    )
    policy = load_policy(chosen.model, Path())
    trainer = train.build_trainer(plan(chosen), policy, ScriptedExecutor())  # type: ignore[arg-type]
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    assert trainer.alignment is not None
    trainer.alignment.pool.replace([QUESTION])
    return trainer


def rows(trainer: CodeRLPlusTrainer, groups: int) -> list[dict[str, Any]]:
    """What TRL would hand over for the first problems of the data."""
    return [trainer.train_dataset[i] for i in range(groups) for _ in range(GROUP)]
