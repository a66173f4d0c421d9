"""An algorithm at work: around each generation batch of the trainer.

TRL generates, scores and computes its own advantages; here groups that teach nothing are replaced
by others (dynamic sampling), and the advantages by those of the algorithm. The loss stays TRL's,
chosen by the fields of ``settings``.
"""

import random
from collections.abc import Callable
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor

from trainer_client.algorithms.advantages import estimate
from trainer_client.algorithms.batch import ScoredBatch, loss_mask
from trainer_client.algorithms.rewards import KeptReward, soft_overlong_penalty
from trainer_client.algorithms.settings import ALGORITHMS
from trainer_client.algorithms.trainer import Trainer
from trainer_client.config import AlgorithmConfig
from trainer_client.data import rows

__all__ = ["Algorithm", "Generate"]

Generate = Callable[[list[rows.Row]], dict[str, Any]]
"""TRL's ``_generate_and_score_completions`` of this trainer."""


class Algorithm:
    """What the recipe's ``algorithm`` adds to TRL's fields.

    Every process makes the same calls in the same order, so that none waits for another in vain.
    """

    def __init__(
        self, config: AlgorithmConfig, max_completion_length: int | None, seed: int
    ) -> None:
        self._estimator = ALGORITHMS[config.type].advantages
        sampling = config.dynamic_sampling
        self._max_rounds = sampling.max_rounds if sampling.enabled else 1
        self._penalty = None
        if config.overlong_penalty.enabled:
            bounds = config.overlong_penalty.bounds(max_completion_length)
            self._penalty = soft_overlong_penalty(*bounds)
        self._seed = seed
        self._step = -1
        self._tried: set[str] = set()
        """Problems of this optimizer step, which may take several generations."""
        self._generations = 0
        self._kept: list[KeptReward] = []

    def keep(self, code: Callable[..., Any], *others: Callable[..., Any]) -> list[KeptReward]:
        """The rewards to give to TRL instead of these."""
        self._kept = [KeptReward(code, self._penalty), *(KeptReward(other) for other in others)]
        return self._kept

    def generate(
        self, trainer: Trainer, generate: Generate, inputs: list[rows.Row]
    ) -> dict[str, Any]:
        """TRL's result for these rows (whole groups), changed as the algorithm wants it."""
        batch = self._scored(trainer, generate, inputs, 0)
        rounds = [batch]
        if self._max_rounds > 1:
            rounds += self._replace_dull(trainer, generate, batch)
        if self._estimator == "trl" and len(rounds) == 1:
            return batch.output
        mask = loss_mask(batch.output)
        batch.output["num_items_in_batch"] = trainer.accelerator.gather(mask.sum()).sum()
        if self._estimator != "trl":
            batch.output["advantages"] = self._advantages(trainer, batch, mask.sum(1))
        _show(trainer, batch, [len(each) for each in rounds])
        return batch.output

    # --- dynamic sampling -----------------------------------------------------------------

    def _replace_dull(
        self, trainer: Trainer, generate: Generate, batch: ScoredBatch
    ) -> list[ScoredBatch]:
        """Put others in the place of dull groups; return the rounds that this took.

        DAPO's Eq. 11: a code group enters the loss only if some of its rollouts pass and some do
        not. A round generates as many further groups as the process that lacks most needs; the
        others use what they need. What is still dull after the last round stays. Alignment groups
        are left alone: their questions were chosen already.
        """
        if self._step != trainer.state.global_step:
            self._step, self._tried, self._generations = trainer.state.global_step, set(), 0
        self._generations += 1
        self._tried.update(gather_object(batch.problem_ids))
        dull = [_dull(trainer, batch)]
        rounds: list[ScoredBatch] = []
        while max(dull[-1]) and len(rounds) + 1 < self._max_rounds:
            further = self._further(trainer, max(dull[-1]), len(rounds) + 1)
            if not further:
                break
            rounds.append(self._scored(trainer, generate, further, len(rounds) + 1))
            _fill(trainer, batch, rounds[-1])
            dull.append(_dull(trainer, batch))
        trainer.note("dynamic_sampling/rounds", 1 + len(rounds))
        trainer.note("dynamic_sampling/dull_groups", sum(dull[0]))
        trainer.note("dynamic_sampling/replaced_groups", sum(dull[0]) - sum(dull[-1]))
        return rounds

    def _further(self, trainer: Trainer, wanted: int, round: int) -> list[rows.Row]:
        """Rows of up to ``wanted`` groups for this process, of problems not tried in this step.

        The choice depends on the seed, the step, the generation within it and the round alone and
        is made for all processes at once, each taking its part; all parts are equally long.
        """
        dataset = trainer.train_dataset
        ids: list[str] = list(dataset["problem_id"])
        left = [i for i, id in enumerate(ids) if id not in self._tried]
        processes, this = trainer.accelerator.num_processes, trainer.accelerator.process_index
        each = min(wanted, len(left) // processes)
        rng = random.Random(f"{self._seed}/{self._step}/{self._generations}/{round}")
        chosen = rng.sample(left, each * processes)
        self._tried.update(ids[i] for i in chosen)
        mine = chosen[this * each : (this + 1) * each]
        return [row for i in mine for row in [dataset[i]] for _ in range(trainer.num_generations)]

    def _scored(
        self, trainer: Trainer, generate: Generate, inputs: list[rows.Row], round: int
    ) -> ScoredBatch:
        output = generate(inputs)
        weights = trainer.reward_weights.tolist()
        columns = zip(*(kept.rewards for kept in self._kept), strict=True)
        return ScoredBatch(
            output=output,
            rewards=[_weighted(weights, values) for values in columns],
            outcomes=list(self._kept[0].outcomes),
            is_code=[row["task"] == rows.CODE for row in inputs],
            problem_ids=[row["problem_id"] for row in inputs],
            origins=[(round, i) for i in range(len(inputs))],
        )

    # --- advantages -----------------------------------------------------------------------

    def _advantages(self, trainer: Trainer, batch: ScoredBatch, tokens: Tensor) -> Tensor:
        """Of this process's rollouts, estimated over those of all processes."""
        accelerator, device = trainer.accelerator, tokens.device
        values = [float("nan") if reward is None else reward for reward in batch.rewards]
        columns = [torch.tensor(values), torch.tensor(batch.is_code), tokens.cpu()]
        local = torch.stack([column.float() for column in columns], 1).to(device)
        rewards, task, counts = accelerator.gather(local).unbind(1)
        every = estimate(self._estimator, rewards, trainer.num_generations, task, counts)
        return every[len(batch) * accelerator.process_index :][: len(batch)]


def _dull(trainer: Trainer, batch: ScoredBatch) -> list[int]:
    """The number of dull groups in each process."""
    return list(gather_object([len(batch.dull_groups(trainer.num_generations))]))


def _fill(trainer: Trainer, batch: ScoredBatch, more: ScoredBatch) -> None:
    size, pad = trainer.num_generations, trainer.processing_class.pad_token_id
    pairs = zip(batch.dull_groups(size), more.lively_groups(size), strict=False)
    for ours, theirs in pairs:
        batch.put(range(ours, ours + size), more, range(theirs, theirs + size), pad)


def _weighted(weights: list[float], values: tuple[float | None, ...]) -> float | None:
    known = [w * value for w, value in zip(weights, values, strict=True) if value is not None]
    return sum(known) if known else None


def _show(trainer: Trainer, batch: ScoredBatch, sizes: list[int]) -> None:
    """The used advantages beside the completions of every round; a discarded rollout has 0."""
    shown = [[0.0] * size for size in sizes]
    for (round, row), advantage in zip(
        batch.origins, batch.output["advantages"].tolist(), strict=True
    ):
        shown[round][row] = advantage
    for column in shown:
        trainer.show_advantages(gather_object(column))
