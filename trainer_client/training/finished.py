"""Learn of completions while the rest of their batch is still being generated.

Rows of a batch end at different times; who is told of them at once can have their programs judged
beside the generation of the others. It changes nothing about what is generated.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

__all__ = ["FinishedRows", "telling"]

LOOK_EVERY = 4
"""Tokens between two looks: each costs a device a synchronization."""

Tell = Callable[[dict[int, list[int]]], None]
"""Takes row → the tokens of its completion, the one that ended it included."""


class FinishedRows(StoppingCriteria):
    """Stops nothing; tells of each row once, when it has ended."""

    def __init__(self, eos: Sequence[int], tell: Tell) -> None:
        self._eos = list(eos)
        self._tell = tell
        self._start: int | None = None
        self._told: set[int] = set()
        self._looked = 0

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: Any
    ) -> torch.BoolTensor:
        rows, length = input_ids.shape
        if self._start is None:
            self._start = self._looked = length - 1
        if length - self._looked >= LOOK_EVERY:
            self._look(input_ids, self._start)
            self._looked = length
        return torch.zeros(rows, dtype=torch.bool, device=input_ids.device)  # type: ignore[return-value]

    def _look(self, input_ids: torch.Tensor, start: int) -> None:
        eos = torch.tensor(self._eos, device=input_ids.device)
        ended = torch.isin(input_ids[:, self._looked :], eos).any(1).nonzero().flatten().tolist()
        fresh = [row for row in ended if row not in self._told]
        if fresh:
            self._told.update(fresh)
            completions = input_ids[fresh, start:].tolist()
            self._tell({row: self._cut(ids) for row, ids in zip(fresh, completions, strict=True)})

    def _cut(self, ids: list[int]) -> list[int]:
        end = next(i for i, token in enumerate(ids) if token in self._eos)
        return ids[: end + 1]


@contextmanager
def telling(model: Any, eos: Sequence[int], tell: Tell) -> Iterator[None]:
    """Have ``model.generate`` tell of finished rows; other ways to generate tell nothing."""
    criteria = StoppingCriteriaList([FinishedRows(eos, tell)])
    model.generate = partial(model.generate, stopping_criteria=criteria)
    try:
        yield
    finally:
        del model.generate
