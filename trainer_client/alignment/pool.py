"""The questions at hand: made from the failures of the previous step, asked in the next."""

import random
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from trainer_client.alignment.sample import AlignmentSample

__all__ = ["FILE_NAME", "AlignmentPool"]

FILE_NAME = "alignment_pool.jsonl"


class AlignmentPool:
    """The newest questions, at most ``size``, each (program, input) once.

    The choice depends on ``seed``, the step and the contents alone, so every process that holds
    the same questions chooses the same ones.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
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

    def choose(self, count: int, step: int) -> list[AlignmentSample]:
        """Up to ``count`` distinct questions, in an order of their own."""
        rng = random.Random(f"{self.seed}/{step}")
        return rng.sample(self.samples, min(count, len(self)))

    def save(self, directory: Path) -> None:
        """Write the questions as JSON Lines into a checkpoint directory."""
        directory.mkdir(parents=True, exist_ok=True)
        lines = "".join(sample.model_dump_json() + "\n" for sample in self.samples)
        (directory / FILE_NAME).write_text(lines, encoding="utf-8")

    def restore(self, directory: Path) -> None:
        """Read what ``save`` wrote; raise ``ValueError`` where it is missing or malformed."""
        path = directory / FILE_NAME
        if not path.is_file():
            raise ValueError(f"{path} is missing: the checkpoint was not written by this trainer")
        lines = path.read_text(encoding="utf-8").split("\n")
        try:
            self.replace(AlignmentSample.model_validate_json(line) for line in lines if line)
        except ValidationError as error:
            raise ValueError(f"{path} is malformed: {error}") from None
