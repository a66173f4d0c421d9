"""One process's scored rollouts, of which some can be put in the place of others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["ScoredBatch", "loss_mask"]

_PADDED_LEFT = frozenset({"prompt_ids", "prompt_mask"})
_PADDING = {"tool_mask": 1}
"""What TRL pads with where it is neither 0 nor the pad token."""


@dataclass(slots=True)
class ScoredBatch:
    """What TRL returned, in its order of keys, and what it did not: a value for each row."""

    output: dict[str, Any]
    rewards: list[float | None]
    """Weighted sum of the row's rewards; None without a verdict."""
    outcomes: list[float | None]
    """The code reward before any shaping; None also on rows of the other task."""
    is_code: list[bool]
    problem_ids: list[str]
    origins: list[tuple[int, int]]
    """(round, row) in which the rollout was generated."""

    def __len__(self) -> int:
        return len(self.rewards)

    def dull_groups(self, size: int) -> list[int]:
        """First rows of the code groups whose verdicts do not differ: no policy gradient."""
        firsts = [i for i in range(0, len(self), size) if self.is_code[i]]
        return [i for i in firsts if not _differ(self.outcomes[i : i + size])]

    def lively_groups(self, size: int) -> list[int]:
        """First rows of the other code groups."""
        dull = self.dull_groups(size)
        return [i for i in range(0, len(self), size) if self.is_code[i] and i not in dull]

    def put(
        self, rows: Sequence[int], other: "ScoredBatch", theirs: Sequence[int], pad: int
    ) -> None:
        """Replace ``rows`` by the rows ``theirs`` of ``other``; ``pad`` is the pad token."""
        for name, ours in self.output.items():
            if isinstance(ours, Tensor) and ours.ndim:
                value = pad if name in ("prompt_ids", "completion_ids") else _PADDING.get(name, 0)
                both = _same_width(ours, other.output[name], value, name in _PADDED_LEFT)
                both[0][list(rows)] = both[1][list(theirs)]
                self.output[name] = both[0]
        for mine, given in zip(self._columns(), other._columns(), strict=True):
            for row, their_row in zip(rows, theirs, strict=True):
                mine[row] = given[their_row]

    def _columns(self) -> tuple[list[Any], ...]:
        return (self.rewards, self.outcomes, self.is_code, self.problem_ids, self.origins)


def loss_mask(output: dict[str, Any]) -> Tensor:
    """Which tokens are in the loss, shape (rows, tokens), as TRL has it."""
    mask: Tensor = output["completion_mask"]
    return mask * output["tool_mask"] if "tool_mask" in output else mask


def _differ(values: Sequence[float | None]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and max(known) - min(known) > 1e-6


def _same_width(a: Tensor, b: Tensor, value: int, left: bool) -> tuple[Tensor, Tensor]:
    """Both padded to the longer; a copy of the first. Rows of one value stay as they are."""
    if a.ndim == 1:
        return a.clone(), b
    width = max(a.size(1), b.size(1))
    return _padded(a, width, value, left).clone(), _padded(b, width, value, left)


def _padded(tensor: Tensor, width: int, value: int, left: bool) -> Tensor:
    missing = width - tensor.size(1)
    sides = (missing, 0) if left else (0, missing)
    return torch.nn.functional.pad(tensor, sides, value=value)
