"""All that decides a training run."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from trainer_client.config.algorithm import AlgorithmConfig
from trainer_client.config.alignment import AlignmentConfig
from trainer_client.config.data import DataConfig
from trainer_client.config.judging import ExecutorConfig, RewardConfig
from trainer_client.config.models import ModelConfig
from trainer_client.config.section import Section

__all__ = [
    "SHORT",
    "AdamW",
    "EvaluationConfig",
    "LoggingConfig",
    "Muon",
    "OptimizerConfig",
    "Recipe",
]


SHORT = ("algorithm", "optimizer")
"""Sections that a recipe may give as their type alone."""


class AdamW(Section):
    """The optimizer that ``grpo.optim`` and ``grpo.learning_rate`` describe."""

    type: Literal["adamw"] = "adamw"


class Muon(Section):
    """Muon for the matrices, AdamW for embeddings, norms and biases."""

    type: Literal["muon"]
    learning_rate: float = Field(2e-4, gt=0)
    """Of the matrices."""
    momentum: float = Field(0.95, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    adamw_learning_rate: float | None = Field(None, gt=0)
    """Of the rest; ``grpo.learning_rate`` where null."""


OptimizerConfig = Annotated[AdamW | Muon, Field(discriminator="type")]


class EvaluationConfig(Section):
    """Sampled pass rate on held-out problems, through the trainer's own evaluation loop."""

    data: DataConfig | None = None
    """Held-out problems; no evaluation where null."""
    at_start: bool = True
    at_end: bool = True


class LoggingConfig(Section):
    """What a run keeps to be looked at: ``samples.jsonl`` in ``output_dir``."""

    samples: bool = True
    """Keep sample completions with their verdicts, and questions with the answers given."""
    every: int = Field(5, ge=1)
    """Steps from one that is kept to the next."""
    rollouts: int = Field(4, ge=0)
    """Code rollouts kept of such a step."""
    questions: int = Field(4, ge=0)
    """Alignment rollouts kept of such a step."""
    keep: int = Field(2000, ge=1)
    """Lines in the file, at most; the oldest go first."""


class Recipe(Section):
    """A training run."""

    model: ModelConfig
    data: DataConfig
    executor: ExecutorConfig = ExecutorConfig()
    reward: RewardConfig = RewardConfig()
    alignment: AlignmentConfig = AlignmentConfig()
    algorithm: AlgorithmConfig | None = None
    """``algorithm: dapo`` is short for ``algorithm: {type: dapo}``. Null: TRL's defaults, as
    ``grpo`` changes them."""
    grpo: dict[str, Any] = Field({})
    """Any field of ``trl.GRPOConfig`` except ``output_dir`` and ``seed``."""
    lora: dict[str, Any] | None = None
    """Any field of ``peft.LoraConfig``; full fine-tuning where null."""
    optimizer: OptimizerConfig = AdamW()
    evaluation: EvaluationConfig = EvaluationConfig()
    logging: LoggingConfig = LoggingConfig()
    seed: int = Field(0, ge=0)
    output_dir: Path
    resume: bool = False
    """Go on from the last checkpoint in ``output_dir``."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        short = {k: {"type": v} for k in SHORT if isinstance(v := values.get(k), str)}
        return {**values, **short}
