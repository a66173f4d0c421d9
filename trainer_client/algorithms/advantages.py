"""Advantage estimators that TRL's GRPO does not have.

All of them take the rollouts of all processes. ``rewards`` has shape (N,), NaN where a rollout
has no verdict: it is left out of every mean and deviation and its advantage is 0. Rollouts of one
prompt are neighbours, ``group`` of them.
"""

import torch
from torch import Tensor

from trainer_client.algorithms.settings import Estimator

__all__ = ["estimate", "globally_normalized", "leave_one_out"]

MINIMAL_VARIANCE = 1e-8
"""At or below it a batch has no spread, only rounding errors, which no division should enlarge."""


def estimate(kind: Estimator, rewards: Tensor, group: int, task: Tensor, tokens: Tensor) -> Tensor:
    """Advantages, shape (N,). ``task``: what to normalize apart, shape (N,); ``tokens``: how many
    tokens of each rollout are in the loss, shape (N,)."""
    if kind == "leave_one_out":
        return leave_one_out(rewards, group)
    if kind == "global_with_baseline":
        grouped = rewards.view(-1, group)
        rewards = (grouped - grouped.nanmean(1, keepdim=True)).view(-1)
    return globally_normalized(rewards, task, tokens)


def leave_one_out(rewards: Tensor, group: int) -> Tensor:
    """r_i minus the mean reward of the group's other rollouts (RLOO, arXiv 2402.14740); 0 where
    there are no others."""
    grouped = rewards.view(-1, group)
    others = (~grouped.isnan()).sum(1, keepdim=True) - 1
    baseline = (grouped.nansum(1, keepdim=True) - grouped) / others
    return (grouped - baseline).nan_to_num(nan=0.0).view(-1)


def globally_normalized(rewards: Tensor, task: Tensor, tokens: Tensor) -> Tensor:
    """(r - mean) / std over the batch, for each task apart (REINFORCE++, arXiv 2501.03262).

    The paper's mean and deviation are those of the advantages of all *tokens*, so a rollout counts
    as often as it has tokens. Apart, because the two objectives' rewards differ in scale: a pass
    is 0 or 1 and rare, a share of variables is mostly in between; under a common mean every
    rollout of the harder task would be pushed down and every one of the easier task up.
    """
    advantages = torch.zeros_like(rewards)
    for kind in set(task.tolist()):
        chosen = (task == kind) & ~rewards.isnan()
        scored, weights = rewards[chosen].double(), tokens[chosen].double()
        weights = weights / weights.sum().clamp(min=1.0)
        centred = scored - (weights * scored).sum()
        variance = (weights * centred**2).sum()
        if variance > MINIMAL_VARIANCE:
            advantages[chosen] = (centred * variance.rsqrt()).to(rewards.dtype)
    return advantages
