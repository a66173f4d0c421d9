"""The two rewards as the algorithm needs them: kept after TRL has used them, and shaped."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from trl.rewards import get_soft_overlong_punishment  # type: ignore[attr-defined]

__all__ = ["KeptReward", "soft_overlong_penalty"]

Penalty = Callable[..., list[float]]
"""``completion_ids`` → what is added to each reward."""


def soft_overlong_penalty(max_length: int, cache: int) -> Penalty:
    """DAPO's soft overlong punishment (arXiv 2503.14476, Eq. 13), lengths in tokens: 0 up to
    ``max_length - cache``, from there falling linearly to -1 at ``max_length``."""
    made: Penalty = get_soft_overlong_punishment(max_length, cache)
    return made


class KeptReward:
    """A reward that remembers its last batch, because TRL returns advantages only.

    ``penalty`` is added where there is a reward, so a rollout without a verdict keeps ``None``.
    """

    def __init__(self, reward: Callable[..., Any], penalty: Penalty | None = None) -> None:
        self.__name__: str = reward.__name__
        self._reward = reward
        self._penalty = penalty
        self.outcomes: list[float | None] = []
        """The reward alone."""
        self.rewards: list[float | None] = []
        """What TRL was given."""

    async def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        **columns: Any,
    ) -> list[float | None]:
        """As TRL calls a reward."""
        given = self._reward(prompts, completions, completion_ids, **columns)
        self.outcomes = list(await given if inspect.isawaitable(given) else given)
        self.rewards = self._shaped(completion_ids, columns.get("log_metric"))
        return self.rewards

    def _shaped(
        self,
        completion_ids: Sequence[Sequence[int]],
        log_metric: Callable[[str, float], None] | None,
    ) -> list[float | None]:
        if self._penalty is None:
            return self.outcomes
        pairs = list(zip(self.outcomes, self._penalty(completion_ids=completion_ids), strict=True))
        added = [penalty for outcome, penalty in pairs if outcome is not None]
        if log_metric is not None and added:
            log_metric(f"{self.__name__}/overlong_penalty", sum(added) / len(added))
        return [None if outcome is None else outcome + penalty for outcome, penalty in pairs]
