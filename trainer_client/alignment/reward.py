"""The reward of an alignment row, as TRL calls it."""

from collections.abc import Sequence
from typing import Any, Literal

from trainer_client.alignment.curriculum import Outcome
from trainer_client.alignment.formats import AlignmentFormat
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.alignment.scoring import exact_fraction, paper_reward
from trainer_client.data import rows
from trainer_client.extraction import Completion, completion_text
from trainer_client.rewards import LogMetric, Scored

__all__ = ["AlignmentReward"]


class AlignmentReward:
    """Compare the answers of an alignment row with what the program really computed."""

    def __init__(
        self, format: AlignmentFormat, scoring: Literal["fraction", "paper"] = "fraction"
    ) -> None:
        self.__name__ = "alignment"
        self._format = format
        self._score = exact_fraction if scoring == "fraction" else paper_reward
        self._scored: list[Scored] = []
        self._outcomes: list[Outcome] = []

    def take_scored(self) -> list[Scored]:
        """What the last call found, a row each."""
        taken, self._scored = self._scored, []
        return taken

    def take_outcomes(self) -> list[Outcome]:
        """The questions answered since the last call, each with its whole group."""
        taken, self._outcomes = self._outcomes, []
        return taken

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        completion_ids: Any = None,
        *,
        task: Sequence[str],
        sample: Sequence[str],
        log_metric: LogMetric | None = None,
        **_: Any,
    ) -> list[float | None]:
        """Return the reward of each alignment row, None for the others."""
        self._scored = [Scored(None)] * len(completions)
        for text, places in _groups(task, sample).items():
            question = AlignmentSample.model_validate_json(text)
            given = [self._format.parse(completion_text(completions[i]), question) for i in places]
            scores = [self._score(answer, question.answers) for answer in given]
            for i, answer, score in zip(places, given, scores, strict=True):
                self._scored[i] = Scored(score, given=answer)
            self._outcomes.append(Outcome(question, given, scores))
        scored = [(s.reward, s.given) for s in self._scored if s.reward is not None]
        if log_metric is not None and scored:
            log_metric("alignment/reward", sum(r for r, _ in scored) / len(scored))
            log_metric("alignment/exact", sum(r > 1 - 1e-9 for r, _ in scored) / len(scored))
            log_metric("alignment/parsed", sum(g is not None for _, g in scored) / len(scored))
        return [one.reward for one in self._scored]


def _groups(task: Sequence[str], sample: Sequence[str]) -> dict[str, list[int]]:
    """Question → the rows that answer it."""
    groups: dict[str, list[int]] = {}
    for i, (kind, text) in enumerate(zip(task, sample, strict=True)):
        if kind == rows.ALIGNMENT:
            groups.setdefault(text, []).append(i)
    return groups
