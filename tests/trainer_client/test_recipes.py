"""The recipes that ship: they load, and what they say is what their comments promise."""

from pathlib import Path

import pytest

from executor_api.wire import ExecuteProgram
from tests.service import KEY, Service
from trainer_client.client import ExecutorClient
from trainer_client.config import PAPER_OPTIONS, JsonlData, QuestionOptions, load_recipe
from trainer_client.data.problem import load_problems

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_loads_and_finds_its_problems(path: Path) -> None:
    recipe = load_recipe(path)
    for data in (recipe.data, recipe.evaluation.data):
        if isinstance(data, JsonlData):
            assert load_problems(data.paths, data.split)


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
