"""The recipes that ship and those in the documents: they load, and what they say is what their
comments promise."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType

from executor_api.wire import ExecuteProgram
from tests.service import KEY, Service
from trainer_client.algorithms.settings import ALGORITHMS
from trainer_client.client import ExecutorClient
from trainer_client.config import PAPER_OPTIONS, JsonlData, QuestionOptions, Recipe, load_recipe
from trainer_client.data.problem import load_problems
from trainer_client.training import planning

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_loads_and_finds_its_problems(path: Path) -> None:
    recipe = load_recipe(path)
    for data in (recipe.data, recipe.evaluation.data):
        if isinstance(data, JsonlData):
            assert load_problems(data.paths, data.split)


def test_accelerate_reads_how_to_shard() -> None:
    read = load_config_from_file(str(RECIPES / "accelerate" / "fsdp.yaml"))
    assert (read.distributed_type, read.num_processes) == (DistributedType.FSDP, 8)
    assert "accelerate/fsdp.yaml" in (RECIPES / "qwen2.5-coder-7b.yaml").read_text()


def test_qwen_has_the_papers_hyperparameters() -> None:
    recipe = load_recipe(RECIPES / "qwen2.5-coder-7b.yaml")
    grpo, processes = recipe.grpo, 8
    step = grpo["per_device_train_batch_size"] * processes
    prompts = step * grpo["steps_per_generation"] // grpo["num_generations"]
    minibatch = step * grpo["gradient_accumulation_steps"] // grpo["num_generations"]
    assert (prompts, minibatch, grpo["num_generations"]) == (128, 64, 8)
    assert (grpo["learning_rate"], grpo["beta"], grpo["epsilon"]) == (1e-6, 0.001, 0.2)
    assert (grpo["max_completion_length"], grpo["num_train_epochs"]) == (8192, 2)
    assert grpo["temperature"] == 1.0
    assert recipe.algorithm is not None
    assert recipe.algorithm.type == "grpo"
    assert recipe.reward.type == "binary"
    alignment = recipe.alignment
    assert (alignment.setting, alignment.mode, alignment.ratio) == ("paper", "replace", 0.4)
    assert alignment.max_prompt_tokens == 1024
    assert alignment.questions == QuestionOptions(**PAPER_OPTIONS)


def test_smollm2_trains_both_objectives_on_one_split_and_measures_on_another() -> None:
    recipe = load_recipe(RECIPES / "smollm2.yaml")
    assert recipe.alignment.enabled
    held_out = recipe.evaluation.data
    assert isinstance(recipe.data, JsonlData)
    assert isinstance(held_out, JsonlData)
    train, test = (load_problems(d.paths, d.split) for d in (recipe.data, held_out))
    assert not {p.id for p in train} & {p.id for p in test}
    assert (len(train), len(test)) == (36, 8)


@pytest.mark.gvisor
async def test_the_reference_of_every_easy_problem_passes(live_executor: Service) -> None:
    problems = load_problems([RECIPES / "data" / "easy_python.jsonl"])
    programs = [
        ExecuteProgram(id=p.id, code=p.reference or "", tests=p.tests, limits=p.limits)
        for p in problems
    ]
    async with ExecutorClient(live_executor.url, KEY) as client:
        results = await client.execute(programs)
    assert [(r.id, r.verdict) for r in results] == [(p.id, "accepted") for p in problems]


def documented() -> list[dict[str, Any]]:
    """The YAML of docs/training.md, in its order."""
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    return [
        yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
    ]


def loaded(sections: dict[str, Any], folder: Path) -> Recipe:
    base = {"model": {"type": "micro"}, "data": {"type": "micro"}, "output_dir": str(folder)}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**base, **sections}))
    return load_recipe(path)


def test_the_documented_algorithm_reaches_trl(tmp_path: Path) -> None:
    recipe = loaded(documented()[0], tmp_path)
    arguments = planning._arguments(recipe)
    assert (arguments.loss_type, arguments.scale_rewards, arguments.beta) == ("grpo", "none", 0.001)
    assert recipe.algorithm is not None
    assert recipe.algorithm.dynamic_sampling.max_rounds == 4


def test_the_documented_vllm_server_reaches_trl(tmp_path: Path) -> None:
    arguments = planning._arguments(loaded(documented()[1], tmp_path))
    assert (arguments.use_vllm, arguments.vllm_mode) == (True, "server")
    assert arguments.vllm_server_base_url == "http://generator:8001"
    assert (arguments.importance_sampling_level, arguments.epsilon) == ("sequence", 3e-4)
    assert arguments.generation_batch_size == 4 * arguments.per_device_train_batch_size


@pytest.mark.parametrize("name", ALGORITHMS)
def test_grpo_overrides_the_values_of_every_algorithm(name: str, tmp_path: Path) -> None:
    settings = ALGORITHMS[name]
    own = planning._arguments(loaded({"algorithm": name}, tmp_path))
    expected = {**settings.values, **settings.defined_by}
    assert {field: getattr(own, field) for field in expected} == expected
    overridden = {field: 0.125 for field in settings.values if field.startswith("epsilon")}
    sections = {"algorithm": name, "grpo": {**overridden, "beta": 0.5}}
    changed = planning._arguments(loaded(sections, tmp_path))
    assert all(getattr(changed, field) == 0.125 for field in overridden)
    assert (changed.beta, changed.loss_type) == (0.5, own.loss_type)


def test_the_documents_name_every_algorithm() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in ALGORITHMS)
