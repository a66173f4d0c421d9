"""Advantages, masks, loss and gradient of every algorithm against the papers' formulas, written
down here a second time without TRL; one batch has both objectives, rollouts without a verdict, a
group without a difference, and truncated rollouts."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainer_client.algorithm_setup import GROUP, LENGTH, build, load, recipe_fields, rows
from tests.trainer_client.scripted import alignment_reward, code_reward
from tests.trainer_client.tiny_policy import save_tiny_policy
from trainer_client.algorithms.advantages import estimate
from trainer_client.algorithms.settings import Estimator
from trainer_client.training.trainer import CodeRLPlusTrainer

PROBLEMS = ("lively", "dull", "flaky")
CACHE = 4
ALGORITHMS = (
    "grpo",
    "dr_grpo",
    "dapo",
    "gspo",
    "cispo",
    "rloo",
    "reinforce_pp",
    "reinforce_pp_baseline",
)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture
def fields(policy: Path, tmp_path: Path) -> dict[str, Any]:
    return recipe_fields(policy, tmp_path, PROBLEMS, groups=len(PROBLEMS))


class Reference:
    """What a batch should come to, from its tokens and ``scripted`` alone."""

    def __init__(self, trainer: CodeRLPlusTrainer, output: dict[str, Any], masked: bool) -> None:
        self.ids = output["completion_ids"]
        tokenizer = trainer.processing_class
        texts = tokenizer.batch_decode(self.ids, skip_special_tokens=True)
        written = self.ids != tokenizer.pad_token_id
        self.lengths = [int(n) for n in written.sum(1)]
        finished = (self.ids == tokenizer.eos_token_id).any(1)
        self.truncated = [not bool(x) for x in finished]
        self.mask = (written & finished[:, None] if masked else written).float()
        names = [name for name in PROBLEMS for _ in range(GROUP)]
        code = [code_reward(n, t) for n, t in zip(names, texts[: len(names)], strict=True)]
        questions = [alignment_reward(text) for text in texts[len(names) :]]
        self.code = [None if reward is None else 2.0 * reward for reward in code]
        self.rewards: list[float | None] = [*self.code, *questions]
        self.tasks = ["code"] * len(self.code) + ["alignment"] * len(questions)

    def punish(self) -> None:
        """DAPO's Eq. 13; the weight of the code reward is 2."""
        for i, reward in enumerate(self.code):
            if reward is not None:
                over = max(0, self.lengths[i] - (LENGTH - CACHE))
                self.rewards[i] = reward - 2.0 * over / CACHE

    def groups(self) -> list[list[float | None]]:
        return [self.rewards[i : i + GROUP] for i in range(0, len(self.rewards), GROUP)]

    def relative(self, scaled: bool) -> list[float]:
        """(r - mean) / std of the group, TRL's 1e-4 beside the std."""
        found: list[float] = []
        for group in self.groups():
            known = [r for r in group if r is not None]
            mean, std = statistics.mean(known), statistics.stdev(known)
            scale = std + 1e-4 if scaled else 1.0
            found += [0.0 if r is None else (r - mean) / scale for r in group]
        return found

    def leave_one_out(self) -> list[float]:
        found: list[float] = []
        for group in self.groups():
            for i, r in enumerate(group):
                others = [o for j, o in enumerate(group) if j != i and o is not None]
                found.append(0.0 if r is None else r - statistics.mean(others))
        return found

    def normalized(self, values: list[float | None]) -> list[float]:
        """Over the tokens of each task in the loss."""
        found = [0.0] * len(values)
        for task in ("code", "alignment"):
            tokens = [
                (i, v)
                for i, v in enumerate(values)
                if v is not None and self.tasks[i] == task
                for _ in range(int(self.mask[i].sum()))
            ]
            mean = statistics.mean(v for _, v in tokens)
            std = statistics.pstdev(v for _, v in tokens)
            for i, v in enumerate(values):
                if v is not None and self.tasks[i] == task:
                    found[i] = (v - mean) / std
        return found

    def advantages(self, algorithm: str) -> Tensor:
        if algorithm == "rloo":
            return torch.tensor(self.leave_one_out())
        if algorithm == "reinforce_pp":
            return torch.tensor(self.normalized(self.rewards))
        if algorithm == "reinforce_pp_baseline":
            known = zip(self.rewards, self.relative(scaled=False), strict=True)
            return torch.tensor(self.normalized([None if r is None else a for r, a in known]))
        return torch.tensor(self.relative(scaled=algorithm != "dr_grpo"))


def log_probabilities(model: Any, output: dict[str, Any], ids: Tensor, written: Tensor) -> Tensor:
    """log pi of each completion token, from the plain logits; the padding's is 0."""
    tokens = torch.cat([output["prompt_ids"], ids], 1)
    attention = torch.cat([output["prompt_mask"], written.long()], 1)
    logits = model(input_ids=tokens, attention_mask=attention).logits[:, :-1]
    chosen = logits.log_softmax(-1).gather(2, tokens[:, 1:, None]).squeeze(2)
    return chosen[:, -ids.size(1) :] * written


def clipped(ratio: Tensor, advantages: Tensor, low: float, high: float) -> Tensor:
    return torch.minimum(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


def token_ratio(lp: Tensor, old: Tensor, mask: Tensor) -> Tensor:
    return (lp - old).exp()


def rollout_ratio(lp: Tensor, old: Tensor, mask: Tensor) -> Tensor:
    """GSPO's Eq. 7."""
    return (((lp - old) * mask).sum(1) / mask.sum(1).clamp(min=1)).exp()[:, None]


def rollout_mean(values: Tensor, mask: Tensor) -> Tensor:
    return ((values * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def token_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum()


def loss_of(algorithm: str, lp: Tensor, old: Tensor, ref: Tensor, a: Tensor, m: Tensor) -> Tensor:
    """The objective to be maximized, with the published values, times -1."""
    objectives: dict[str, Callable[[], Tensor]] = {
        "grpo": lambda: rollout_mean(
            clipped(token_ratio(lp, old, m), a, 0.2, 0.2)
            - 0.04 * ((ref - lp).exp() - (ref - lp) - 1),
            m,
        ),
        "dr_grpo": lambda: (
            (clipped(token_ratio(lp, old, m), a, 0.2, 0.2) * m).sum() / (len(m) * LENGTH)
        ),
        "dapo": lambda: token_mean(clipped(token_ratio(lp, old, m), a, 0.2, 0.28), m),
        "gspo": lambda: rollout_mean(
            clipped(rollout_ratio(lp, old, m), a, 3e-4, 4e-4).expand_as(m), m
        ),
        "cispo": lambda: token_mean(token_ratio(lp, old, m).clamp(max=5.0).detach() * a * lp, m),
        "rloo": lambda: (clipped(rollout_ratio(lp, old, m), a, 0.2, 0.2) * m).sum(1).mean(),
        "reinforce_pp": lambda: rollout_mean(clipped(token_ratio(lp, old, m), a, 0.2, 0.2), m),
    }
    return -objectives[algorithm.removesuffix("_baseline")]()


def off_policy(shape: torch.Size, deviation: float) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7)) * deviation


@pytest.mark.parametrize("masked", [False, True], ids=["truncated-in", "truncated-out"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_advantages_masks_loss_and_gradient_are_the_papers(
    fields: dict[str, Any], policy: Path, algorithm: str, masked: bool
) -> None:
    chosen = {"type": algorithm, "overlong_penalty": {"cache": CACHE}}
    trainer = build(fields, chosen, mask_truncated_completions=masked)
    output = trainer._generate_and_score_completions(rows(trainer, len(PROBLEMS)))

    reference = Reference(trainer, output, masked)
    groups = reference.groups()
    assert 0 < sum(reference.truncated) < len(reference.rewards)
    assert set(groups[1]) == {0.0}
    assert 0 < groups[2].count(None) < GROUP - 1
    if algorithm == "dapo":
        reference.punish()
    advantages = reference.advantages(algorithm)
    torch.testing.assert_close(output["advantages"], advantages, atol=1e-5, rtol=1e-4)
    assert all(
        a == 0 for a, r in zip(output["advantages"], reference.rewards, strict=True) if r is None
    )
    assert (output["completion_mask"] == reference.mask).all()
    assert int(output["num_items_in_batch"]) == int(reference.mask.sum())
    assert next(iter(output.values())).ndim > 0

    twin = load(policy)[0]
    written = (reference.ids != trainer.processing_class.pad_token_id).float()
    lp = log_probabilities(twin, output, reference.ids, written)
    old = lp.detach() + off_policy(lp.shape, 0.3)
    ref = lp.detach() + off_policy(lp.shape, 0.5)
    ours = {**output, "old_per_token_logps": old}
    if algorithm == "grpo":
        ours["ref_per_token_logps"] = ref
    loss = trainer.compute_loss(trainer.model, ours)
    expected = loss_of(algorithm, lp, old, ref, advantages[:, None], reference.mask)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss.detach(), expected.detach(), atol=1e-5, rtol=1e-4)
    theirs = dict(twin.named_parameters())
    assert max(float(p.grad.abs().max()) for p in theirs.values() if p.grad is not None) > 1e-4
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, atol=1e-5, rtol=1e-3)


def test_rloo_on_its_own_rollouts_is_reinforce(fields: dict[str, Any], policy: Path) -> None:
    """The gradient of -mean(A · log pi(rollout)), whatever the lengths."""
    trainer = build(fields, "rloo")
    output = trainer._generate_and_score_completions(rows(trainer, len(PROBLEMS)))
    trainer.compute_loss(trainer.model, output).backward()
    twin = load(policy)[0]
    mask = output["completion_mask"].float()
    lp = log_probabilities(twin, output, output["completion_ids"], mask)
    (-(output["advantages"] * lp.sum(1)).mean()).backward()
    theirs = dict(twin.named_parameters())
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, atol=1e-4, rtol=1e-3)


def test_the_overlong_penalty_is_for_any_algorithm_and_shown_apart(fields: dict[str, Any]) -> None:
    part = {"enabled": True, "max_length": 6, "cache": 3}
    trainer = build(fields, {"type": "reinforce_pp", "overlong_penalty": part})
    output = trainer._generate_and_score_completions(rows(trainer, len(PROBLEMS)))
    reference = Reference(trainer, output, masked=False)
    pairs = list(zip(reference.code, reference.lengths, strict=False))
    judged = [(reward / 2, length) for reward, length in pairs if reward is not None]
    penalties = [-min(1.0, max(0.0, (length - 3) / 3)) for _, length in judged]
    metrics = trainer._metrics["train"]
    assert metrics["code/overlong_penalty"] == [pytest.approx(statistics.mean(penalties))]
    assert metrics["code/reward"] == [pytest.approx(statistics.mean(r for r, _ in judged))]
    shaped = iter(2 * (r + p) for (r, _), p in zip(judged, penalties, strict=True))
    reference.rewards[: len(reference.code)] = [
        None if reward is None else next(shaped) for reward in reference.code
    ]
    expected = reference.advantages("reinforce_pp")
    torch.testing.assert_close(output["advantages"], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["leave_one_out", "global", "global_with_baseline"])
@pytest.mark.parametrize(
    "rewards",
    [[None, 0.3, None], [None, None, None], [0.3, 0.3, 0.3], [0.1, 0.1, 0.1]],
    ids=["one-verdict", "no-verdict", "no-difference", "no-difference-in-binary-either"],
)
def test_what_teaches_nothing_has_advantage_0(kind: Estimator, rewards: list[float | None]) -> None:
    """Not a rounding error divided by another."""
    given = torch.tensor([float("nan") if r is None else r for r in rewards])
    for tokens in (torch.tensor([3.0, 7.0, 11.0]), torch.zeros(3)):
        found = estimate(kind, given, 3, torch.ones(3), tokens)
        torch.testing.assert_close(found, torch.zeros(3), atol=1e-7, rtol=0)


def test_each_task_has_its_own_scale() -> None:
    """A rare pass among failures and a poor answer among good ones stand out alike."""
    rewards = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.9, 0.9, 0.9, 0.5])
    task = torch.tensor([1.0] * 4 + [0.0] * 4)
    found = estimate("global", rewards, 4, task, torch.ones(8))
    torch.testing.assert_close(found[:4].sort().values, -found[4:].sort(descending=True).values)
