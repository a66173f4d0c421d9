"""The questions at hand: made from the failures of the previous step, asked in the next."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from trainer_client.alignment.curriculum import Outcome, SpreadTable
from trainer_client.alignment.sample import AlignmentSample

__all__ = ["FILE_NAME", "AlignmentPool", "load_samples"]

FILE_NAME = "alignment_pool.jsonl"
SPREAD_FILE = "alignment_spread.json"
LEAST = 1e-3
"""Weight of a question without any expected spread: it stays possible."""


class AlignmentPool:
    """The newest questions, at most ``size``, each (program, input) once.

    The choice depends on ``seed``, the step and the contents alone, so every process that holds
    the same questions, and has observed the same outcomes, chooses the same ones.
    ``by="spread"`` prefers questions from which a spread of rewards is expected
    (``curriculum.py``), in proportion to it.
    """

    def __init__(self, size: int, seed: int, by: Literal["uniform", "spread"] = "uniform") -> None:
        self.size = size
        self.seed = seed
        self._by = by
        self._spread = SpreadTable()
        self._samples: dict[str, AlignmentSample] = {}

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def samples(self) -> list[AlignmentSample]:
        """From the oldest to the newest."""
        return list(self._samples.values())

    def replace(self, samples: Iterable[AlignmentSample]) -> None:
        """Hold these instead: the questions of the last step are on-policy, older ones less so."""
        self._samples = {}
        for sample in samples:
            self._samples.setdefault(sample.id, sample)
        for id in list(self._samples)[: max(0, len(self._samples) - self.size)]:
            del self._samples[id]

    def observe(self, outcomes: Iterable[Outcome]) -> None:
        """Learn from the answers of all processes, in the same order on each."""
        self._spread.observe(outcomes)

    def choose(self, count: int, step: int) -> list[AlignmentSample]:
        """Up to ``count`` distinct questions, in an order of their own."""
        rng = random.Random(f"{self.seed}/{step}")
        count = min(count, len(self))
        if self._by == "uniform":
            return rng.sample(self.samples, count)
        # Efraimidis and Spirakis 2006: the greatest u^(1/w) are a weighted draw without return.
        keys = [rng.random() ** (1 / self._weight(sample)) for sample in self.samples]
        best = sorted(range(len(self)), key=lambda i: -keys[i])[:count]
        return [self.samples[i] for i in best]

    def _weight(self, sample: AlignmentSample) -> float:
        return max(LEAST, self._spread.expected(sample))

    def save(self, directory: Path) -> None:
        """Write the questions as JSON Lines into a checkpoint directory."""
        directory.mkdir(parents=True, exist_ok=True)
        lines = "".join(sample.model_dump_json() + "\n" for sample in self.samples)
        (directory / FILE_NAME).write_text(lines, encoding="utf-8")
        (directory / SPREAD_FILE).write_text(json.dumps(self._spread.dump()), encoding="utf-8")

    def restore(self, directory: Path) -> None:
        """Read what ``save`` wrote; raise ``ValueError`` where it is missing or malformed."""
        path = directory / FILE_NAME
        if not path.is_file():
            raise ValueError(
                f"{path} is missing: the checkpoint is incomplete, or of a run without alignment; "
                "start anew from its model"
            )
        self.replace(load_samples(path))
        spread = directory / SPREAD_FILE
        if spread.is_file():
            self._spread.load(json.loads(spread.read_text(encoding="utf-8")))


def load_samples(path: Path) -> list[AlignmentSample]:
    """Read questions, one JSON object a line; raise ``ValueError`` naming file and row."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; questions are lines of {FILE_NAME}")
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        try:
            found += [AlignmentSample.model_validate_json(line)] if line else []
        except ValidationError as error:
            raise ValueError(f"{path} is malformed in row {number}: {error}") from None
    return found
