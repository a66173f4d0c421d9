"""What each algorithm is in terms of TRL's ``GRPOConfig``, and where its values are from.

Pure data: a recipe is checked against it before torch is imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["ALGORITHMS", "PPO_REFUSED", "Estimator", "Settings"]

Estimator = Literal["trl", "leave_one_out", "global", "global_with_baseline"]
"""Where advantages come from: TRL's group mean (and deviation), or ``advantages``."""

PPO_REFUSED = (
    "PPO with a value head is not offered: TRL has no PPO trainer any more, and the libraries that "
    "have one (verl, OpenRLHF) are whole frameworks; use 'reinforce_pp' (PPO's clipped loss "
    "without the critic), or verl with this executor's /run_code"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """One algorithm."""

    defined_by: Mapping[str, Any]
    """Fields without which it would be another algorithm: ``grpo`` may not say otherwise."""
    values: Mapping[str, Any]
    """Published values that ``grpo`` overrides."""
    advantages: Estimator = "trl"
    extras: frozenset[Literal["dynamic_sampling", "overlong_penalty"]] = field(
        default_factory=frozenset
    )
    """Parts that are on unless the recipe switches them off; any algorithm can have them."""


def _defined(loss: str, ratio: str = "token", scale: str = "group") -> dict[str, Any]:
    return {
        "loss_type": loss,
        "importance_sampling_level": ratio,
        "scale_rewards": scale,
        "multi_objective_aggregation": "sum_then_normalize",
    }


GRPO = Settings(
    _defined("grpo"),
    {"beta": 0.04, "epsilon": 0.2, "use_bias_correction_kl": False},
)
"""DeepSeekMath (arXiv 2402.03300): mean over a rollout's tokens, then over rollouts (Eq. 3),
advantage (r - mean) / std of the group (section 4.1.2), the KL estimator of Eq. 4 as it stands in
the loss with coefficient 0.04 (section 4.2). The paper gives no clip range: PPO's 0.2."""

DR_GRPO = Settings(_defined("dr_grpo", scale="none"), {"beta": 0.0, "epsilon": 0.2})
"""Understanding R1-Zero-Like Training (arXiv 2503.20783, section 3.2): GRPO without the division
by the rollout's length (here a constant, the maximal length) and by the group's std; no KL."""

DAPO = Settings(
    _defined("dapo"),
    {"beta": 0.0, "epsilon": 0.2, "epsilon_high": 0.28, "mask_truncated_completions": False},
    extras=frozenset({"dynamic_sampling", "overlong_penalty"}),
)
"""DAPO (arXiv 2503.14476): mean over all tokens of the batch (Eq. 8), clip-higher 0.2 and 0.28
(section 4.1), no KL (section 2.3), dynamic sampling (Eq. 11), soft overlong punishment (Eq. 13).
Truncated rollouts stay in the loss, as in Algorithm 1, so that the punishment reaches them;
overlong filtering, the paper's other remedy, is ``mask_truncated_completions``."""

GSPO = Settings(
    _defined("grpo", ratio="sequence"), {"beta": 0.0, "epsilon": 3e-4, "epsilon_high": 4e-4}
)
"""GSPO (arXiv 2507.18071): the ratio is that of whole rollouts, to the power 1/length (Eq. 7),
clipped at 3e-4 and 4e-4 (section 5.1), mean over rollouts (Eq. 5). It differs from GRPO only where
rollouts are used more than once; the paper takes ``steps_per_generation`` 4."""

CISPO = Settings(_defined("cispo"), {"beta": 0.0, "epsilon_high": 5.0})
"""MiniMax-M1 (arXiv 2506.13585, section 3.1): REINFORCE weighted by the detached ratio, which is
cut above only; mean over all tokens; no KL. The paper does not publish the cut: 5 is from the
range of ScaleRL (arXiv 2510.13786), which TRL recommends."""

RLOO = Settings(
    _defined("luspo", ratio="sequence", scale="none"),
    {"beta": 0.0, "epsilon": 0.2},
    "leave_one_out",
)
"""Back to Basics (arXiv 2402.14740): REINFORCE on whole rollouts, the baseline of each being the
mean reward of the group's others. On rollouts of the current policy the gradient of TRL's LUSPO
loss is A · grad log pi(rollout), the paper's; on older ones the ratio is GSPO's, clipped. The
paper's KL penalty inside the reward is left out: rewards are verified, not learned."""

REINFORCE_PP = Settings(_defined("grpo", scale="none"), {"beta": 0.0, "epsilon": 0.2}, "global")
"""REINFORCE++ (arXiv 2501.03262): PPO's clipped loss on each token, mean over a rollout's tokens
and then over rollouts, with advantages normalized over the global batch instead of the group. Its
per-token KL penalty is left out, as for RLOO; ``grpo.beta`` adds one to the loss."""

REINFORCE_PP_BASELINE = Settings(
    REINFORCE_PP.defined_by, REINFORCE_PP.values, "global_with_baseline"
)
"""REINFORCE++ with baseline (same paper): the group's mean reward is subtracted, then the
difference normalized over the global batch."""

ALGORITHMS: Mapping[str, Settings] = {
    "grpo": GRPO,
    "dr_grpo": DR_GRPO,
    "dapo": DAPO,
    "gspo": GSPO,
    "cispo": CISPO,
    "rloo": RLOO,
    "reinforce_pp": REINFORCE_PP,
    "reinforce_pp_baseline": REINFORCE_PP_BASELINE,
}
