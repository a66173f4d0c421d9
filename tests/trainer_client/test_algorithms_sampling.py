"""Dynamic sampling: groups whose verdicts do not differ make room for others."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer_client.algorithm_setup import GROUP, build, load, recipe_fields, rows
from tests.trainer_client.scripted import alignment_reward, code_reward
from tests.trainer_client.test_algorithms import log_probabilities
from tests.trainer_client.tiny_policy import save_tiny_policy
from trainer_client.training.trainer import CodeRLPlusTrainer

GROUPS = 3
PROBLEMS = (
    "dull-0",
    "lively-1",
    "dull-number-2",
    "lively-3",
    "dull-4",
    "lively-number-5",
    "dull-6",
)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture
def fields(policy: Path, tmp_path: Path) -> dict[str, Any]:
    return recipe_fields(policy, tmp_path, PROBLEMS, GROUPS)


def sampling(type: str, **options: Any) -> dict[str, Any]:
    """An algorithm with dynamic sampling and without the penalty, which has tests of its own."""
    return {
        "type": type,
        "dynamic_sampling": {"enabled": True, **options},
        "overlong_penalty": {"enabled": False},
    }


def step(trainer: CodeRLPlusTrainer) -> dict[str, Any]:
    return trainer._generate_and_score_completions(rows(trainer, GROUPS))


def problems(trainer: CodeRLPlusTrainer, output: dict[str, Any]) -> list[str]:
    """The problem of each row, '' for a question, read from the prompt's tokens."""
    prompts = trainer.processing_class.batch_decode(output["prompt_ids"], skip_special_tokens=True)
    found = [re.search(r"Problem (\S+)\.", prompt) for prompt in prompts]
    return [match[1] if match else "" for match in found]


def rewards(trainer: CodeRLPlusTrainer, output: dict[str, Any]) -> list[float]:
    """Of each row, from its tokens."""
    ids = output["completion_ids"]
    texts = trainer.processing_class.batch_decode(ids, skip_special_tokens=True)
    return [
        2 * (code_reward(name, text) or 0.0) if name else alignment_reward(text)
        for name, text in zip(problems(trainer, output), texts, strict=True)
    ]


def metric(trainer: CodeRLPlusTrainer, name: str) -> float:
    (value,) = trainer._metrics["train"][name]
    return value


@pytest.mark.parametrize("algorithm", ["dapo", "rloo", "reinforce_pp"])
def test_dull_groups_are_replaced_and_the_rest_is_left_alone(
    fields: dict[str, Any], algorithm: str
) -> None:
    trainer = build(fields, sampling(algorithm))
    output = step(trainer)
    names = problems(trainer, output)[::GROUP]
    assert [name[:6] for name in names] == ["lively", "lively", "lively", ""]
    assert len(set(names)) == 4
    assert names[1] == "lively-1"
    groups = output["prompt_ids"].unflatten(0, (-1, GROUP))
    assert (groups == groups[:, :1]).all()
    assert list(output)[:2] == ["prompt_ids", "prompt_mask"]
    assert int(output["num_items_in_batch"]) == int(output["completion_mask"].sum())

    given = torch.tensor(rewards(trainer, output)).view(-1, GROUP)
    centred = given - given.mean(1, keepdim=True)
    expected = {
        "dapo": centred / (given.std(1, keepdim=True) + 1e-4),
        "rloo": centred * GROUP / (GROUP - 1),
    }
    ours = output["advantages"].view(-1, GROUP)
    if algorithm in expected:
        torch.testing.assert_close(ours, expected[algorithm], atol=1e-5, rtol=1e-4)
    else:  # one scale for the whole task
        assert torch.corrcoef(torch.stack([ours[:3].flatten(), given[:3].flatten()]))[0, 1] > 0.999

    assert 1 < metric(trainer, "dynamic_sampling/rounds") <= 4
    assert metric(trainer, "dynamic_sampling/dull_groups") == 2
    assert metric(trainer, "dynamic_sampling/replaced_groups") == 2
    generated = sum(
        sum(trainer._metrics["train"][f"tokens/{task}"]) for task in ("code", "alignment")
    )
    assert generated > int(output["completion_mask"].sum())


def test_the_table_of_completions_tells_what_was_used(fields: dict[str, Any]) -> None:
    trainer = build(fields, sampling("rloo"))
    output = step(trainer)
    texts = trainer.processing_class.batch_decode(
        output["completion_ids"], skip_special_tokens=True
    )
    keys = zip(problems(trainer, output), texts, strict=True)
    used = dict(zip(keys, output["advantages"].tolist(), strict=True))
    columns = [trainer._logs[name] for name in ("prompt", "completion", "advantages")]
    table = list(zip(*columns, strict=True))
    assert len(table) == GROUPS * GROUP
    shown = [
        (advantage, used.get((match[1], completion[0]["content"]), 0.0))
        for prompt, completion, advantage in table
        if (match := re.search(r"Problem (\S+)\.", prompt[0]["content"]))
    ]
    assert [a for a, _ in shown] == pytest.approx([b for _, b in shown])
    assert any(a for a, _ in shown)


def test_what_else_belongs_to_a_rollout_moves_with_it(fields: dict[str, Any], policy: Path) -> None:
    """Old and reference log-probabilities are those of the tokens in the same row."""
    trainer = build(fields, sampling("dapo"), num_iterations=2, beta=0.1)
    output = step(trainer)
    ids = output["completion_ids"]
    mask = output["completion_mask"].float()
    assert (mask.bool() == (ids != trainer.processing_class.pad_token_id)).all()
    with torch.no_grad():
        expected = log_probabilities(load(policy)[0], output, ids, mask)
    for name in ("old_per_token_logps", "ref_per_token_logps"):
        torch.testing.assert_close(output[name] * mask, expected, atol=1e-4, rtol=1e-4)


def test_the_choice_follows_from_the_seed(fields: dict[str, Any]) -> None:
    first, second = (step(build(fields, sampling("dapo"))) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    trainer = build(fields, sampling("dapo"), seed=3)
    other = step(trainer)
    assert problems(trainer, other)[GROUP] == "lively-1"
    assert first["completion_ids"].tolist() != other["completion_ids"].tolist()


def test_the_generations_of_one_step_try_different_problems(policy: Path, tmp_path: Path) -> None:
    names = [f"dull-{i}" for i in range(40)]
    trainer = build(recipe_fields(policy, tmp_path, names, GROUPS), sampling("dapo", max_rounds=2))
    assert trainer.algorithm is not None
    tried: list[int] = []
    for _ in range(2):
        step(trainer)
        tried.append(len(trainer.algorithm._tried & set(names)))
    assert tried == [2 * GROUPS, 3 * GROUPS]  # the same rows, and others in their place


@pytest.mark.parametrize(
    ("names", "max_rounds", "rounds"),
    [
        ([f"dull-{i}" for i in range(30)], 3, 3),
        ([f"dull-{i}" for i in range(8)], 10, 3),
        ([f"dull-{i}" for i in range(3)], 10, 1),
        ([f"lively-{i}" for i in range(9)], 10, 1),
    ],
    ids=["rounds-used-up", "problems-used-up", "no-further-problem", "nothing-to-replace"],
)
def test_the_rounds_end(
    policy: Path, tmp_path: Path, names: list[str], max_rounds: int, rounds: int
) -> None:
    fields = recipe_fields(policy, tmp_path, names, GROUPS)
    trainer = build(fields, sampling("grpo", max_rounds=max_rounds))
    output = step(trainer)
    assert metric(trainer, "dynamic_sampling/rounds") == rounds
    assert metric(trainer, "dynamic_sampling/replaced_groups") == 0
    assert problems(trainer, output)[: GROUPS * GROUP : GROUP] == names[:GROUPS]
    if names[0].startswith("dull"):
        assert (output["advantages"][: GROUPS * GROUP] == 0).all()


def test_failures_of_every_round_can_become_questions(fields: dict[str, Any]) -> None:
    """A scripted verdict says nothing of the tests, so every failure is dropped, and counted."""
    trainer = build(fields, sampling("dapo"))
    step(trainer)
    trainer.settle()
    assert metric(trainer, "alignment/dropped/no_input") > GROUPS * GROUP


def test_evaluation_is_not_resampled(fields: dict[str, Any]) -> None:
    trainer = build(fields, sampling("dapo"), per_device_eval_batch_size=GROUPS * GROUP)
    trainer.model.eval()
    output = step(trainer)
    assert problems(trainer, output)[::GROUP] == list(PROBLEMS[:GROUPS])
    assert "dynamic_sampling/rounds" not in trainer._metrics["eval"]


def test_a_run_splits_replaced_batches_into_several_steps(fields: dict[str, Any]) -> None:
    """GSPO's setting: rollouts are used in more than one optimizer step."""
    halves = {"per_device_train_batch_size": GROUPS * GROUP // 2, "steps_per_generation": 2}
    trainer = build(fields, sampling("gspo"), **halves, max_steps=4, learning_rate=1e-2)
    trainer.train()
    (log,) = [entry for entry in trainer.state.log_history if entry.get("step") == 3]
    assert log["dynamic_sampling/rounds"] >= 1
    first, last = (e for e in trainer.state.log_history if e.get("step") in (1, 2))
    assert first["clip_ratio/region_mean"] == 0  # still the policy that generated
    assert last["clip_ratio/region_mean"] > 0
