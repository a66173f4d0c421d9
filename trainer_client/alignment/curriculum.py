"""Which questions still teach something: those whose group of answers has a spread of rewards.

A group in which all answers earn the same has advantage zero, whether the question is trivial or
hopeless. The spread of a question is known only once it has been asked, and each is asked once; so
it is estimated from the questions of like difficulty asked so far.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import pstdev

from trainer_client.alignment.sample import AlignmentSample

__all__ = ["Outcome", "SpreadTable"]

PRIOR = 0.5
"""Spread of a difficulty that nothing is known about: the highest there is for rewards in 0..1, so
what has not been tried is tried."""
MEMORY = 0.98
"""Weight of what is known after another question of the same difficulty: the policy changes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question with the answers of its group and what they earned."""

    sample: AlignmentSample
    given: Sequence[dict[str, str] | None]
    rewards: Sequence[float]

    @property
    def spread(self) -> float:
        """Standard deviation of the group's rewards, at most 0.5."""
        return pstdev(self.rewards)


class SpreadTable:
    """Expected spread by (difficulty rounded, number of answers asked for)."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[float, float]] = {}

    def observe(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            total, weight = self._known.get(_cell(outcome.sample), (PRIOR, 1.0))
            self._known[_cell(outcome.sample)] = (
                MEMORY * total + outcome.spread,
                MEMORY * weight + 1.0,
            )

    def expected(self, sample: AlignmentSample) -> float:
        """Mean spread of the questions like this one, recent ones counting more."""
        total, weight = self._known.get(_cell(sample), (PRIOR, 1.0))
        return total / weight

    def dump(self) -> list[tuple[int, int, float, float]]:
        return [(*cell, *sums) for cell, sums in sorted(self._known.items())]

    def load(self, rows: Iterable[Sequence[float]]) -> None:
        """Raises ``ValueError`` for rows that ``dump`` did not write."""
        self._known = {(int(hard), int(asked)): (t, w) for hard, asked, t, w in rows}


def _cell(sample: AlignmentSample) -> tuple[int, int]:
    return round(sample.difficulty), len(sample.answers)
