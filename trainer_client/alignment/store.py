"""Every question that was asked in a run, with its answers: ``alignment.jsonl`` in its folder."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from trainer_client.alignment.curriculum import Outcome
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.step_lines import keep_steps

__all__ = ["FILE_NAME", "Asked", "SampleStore"]

FILE_NAME = "alignment.jsonl"


class Asked(BaseModel):
    """A question, the step that asked it, and for each answer what was given and earned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int
    sample: AlignmentSample
    given: list[dict[str, str] | None]
    rewards: list[float]


class SampleStore:
    """Append-only; a resumed run takes back the steps that it is about to repeat."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME

    def append(self, step: int, outcomes: Iterable[Outcome]) -> None:
        lines = [
            Asked(step=step, sample=o.sample, given=list(o.given), rewards=list(o.rewards))
            for o in outcomes
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(line.model_dump_json() + "\n" for line in lines)

    def take_back(self, step: int) -> None:
        """Forget what was asked in ``step`` and after."""
        keep_steps(self.path, lambda asked: asked < step)

    def __iter__(self) -> Iterator[Asked]:
        """From the first to the last; ``ValueError`` (pydantic's) at a malformed line."""
        with self.path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                if not line.endswith("\n"):
                    return  # a run was killed while it wrote it
                yield Asked.model_validate_json(line)
