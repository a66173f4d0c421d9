"""The recipe: all that decides a training run, as one YAML file plus command-line overrides."""

from trainer_client.config.algorithm import AlgorithmConfig, DynamicSampling, OverlongPenalty
from trainer_client.config.alignment import PAPER_OPTIONS, AlignmentConfig, QuestionOptions
from trainer_client.config.data import (
    INSTRUCTION,
    DataConfig,
    DatasetData,
    Filters,
    JsonlData,
    MicroData,
)
from trainer_client.config.judging import ExecutorConfig, RewardConfig
from trainer_client.config.loading import RECIPE_FILE, check_same_run, load_recipe, save_recipe
from trainer_client.config.models import GgufModel, HfModel, MicroModel, ModelConfig
from trainer_client.config.recipe import (
    EvaluationConfig,
    LoggingConfig,
    Muon,
    OptimizerConfig,
    Recipe,
)
from trainer_client.config.section import ConfigError

__all__ = [
    "AlgorithmConfig",
    "AlignmentConfig",
    "ConfigError",
    "DataConfig",
    "DatasetData",
    "DynamicSampling",
    "EvaluationConfig",
    "ExecutorConfig",
    "Filters",
    "GgufModel",
    "HfModel",
    "INSTRUCTION",
    "JsonlData",
    "LoggingConfig",
    "MicroData",
    "MicroModel",
    "ModelConfig",
    "Muon",
    "OptimizerConfig",
    "OverlongPenalty",
    "PAPER_OPTIONS",
    "RECIPE_FILE",
    "QuestionOptions",
    "Recipe",
    "RewardConfig",
    "check_same_run",
    "load_recipe",
    "save_recipe",
]
