"""What an algorithm needs of the trainer that it works for."""

from collections.abc import Iterable
from typing import Protocol

from accelerate import Accelerator
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerBase, TrainerState

__all__ = ["Trainer"]


class Trainer(Protocol):
    """The part of ``CodeRLPlusTrainer`` that is needed here."""

    @property
    def accelerator(self) -> Accelerator: ...
    @property
    def num_generations(self) -> int: ...
    @property
    def processing_class(self) -> PreTrainedTokenizerBase: ...
    @property
    def reward_weights(self) -> Tensor: ...
    @property
    def state(self) -> TrainerState: ...
    @property
    def train_dataset(self) -> Dataset: ...

    def note(self, name: str, value: float) -> None: ...

    def show_advantages(self, advantages: Iterable[float]) -> None: ...
