"""The policy-gradient algorithm."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainer_client.algorithms.settings import ALGORITHMS, PPO_REFUSED
from trainer_client.config.section import ConfigError, Section

__all__ = ["AlgorithmConfig", "DynamicSampling", "OverlongPenalty"]


class DynamicSampling(Section):
    """Replace code groups whose verdicts do not differ by groups of further training problems,
    because without a difference there is no advantage (DAPO, Eq. 11)."""

    enabled: bool | None = None
    """Null: on for ``dapo``, off for the others."""
    max_rounds: int = Field(10, ge=2)
    """Generations a step, the first included (10 in the authors' recipe). What is then still
    without a difference stays in the batch."""


class OverlongPenalty(Section):
    """Lower the code reward of long completions, from 0 at ``max_length - cache`` tokens to -1 at
    ``max_length`` (DAPO, Eq. 13)."""

    enabled: bool | None = None
    """Null: on for ``dapo``, off for the others."""
    max_length: int | None = Field(None, ge=2)
    """In tokens; ``grpo.max_completion_length`` where null."""
    cache: int | None = Field(None, ge=1)
    """In tokens; a fifth of ``max_length`` where null (the paper's 4,096 of 20,480)."""

    def bounds(self, max_completion_length: int | None) -> tuple[int, int]:
        """``max_length`` and ``cache``; ``ConfigError`` where no completion could reach them."""
        if max_completion_length is None:
            raise ConfigError(
                "grpo.max_completion_length is null, but algorithm.overlong_penalty needs it; set "
                "it, or set algorithm.overlong_penalty.enabled to false"
            )
        longest = self.max_length or max_completion_length
        cache = self.cache or max(1, longest // 5)
        if longest > max_completion_length:
            raise ConfigError(
                f"algorithm.overlong_penalty.max_length is {longest}, but completions end at "
                f"{max_completion_length} tokens; lower it or raise grpo.max_completion_length"
            )
        if cache > longest:
            raise ConfigError(
                f"algorithm.overlong_penalty.cache is {cache}, more than max_length ({longest}); "
                "lower it"
            )
        return longest, cache


class AlgorithmConfig(Section):
    """The policy-gradient algorithm: sets fields of ``grpo`` to its published values
    (``trainer_client.algorithms.settings``), which ``grpo`` overrides except where it would be
    another algorithm."""

    type: Literal[
        "grpo",
        "dr_grpo",
        "dapo",
        "gspo",
        "cispo",
        "rloo",
        "reinforce_pp",
        "reinforce_pp_baseline",
    ]
    dynamic_sampling: DynamicSampling = DynamicSampling()
    overlong_penalty: OverlongPenalty = OverlongPenalty()

    @field_validator("type", mode="before")
    @classmethod
    def _no_ppo(cls, value: Any) -> Any:
        if value == "ppo":
            raise ValueError(PPO_REFUSED)
        return value

    @model_validator(mode="after")
    def _apply_defaults(self) -> Self:
        for name in ("dynamic_sampling", "overlong_penalty"):
            part = getattr(self, name)
            if part.enabled is None:
                enabled = name in ALGORITHMS[self.type].extras
                setattr(self, name, part.model_copy(update={"enabled": enabled}))
        return self
