"""The problems that it is trained and evaluated on."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trainer_client.config.section import Section

__all__ = ["DataConfig", "DatasetData", "Filters", "INSTRUCTION", "JsonlData", "MicroData"]


INSTRUCTION = (
    "Solve this problem in Python. Write only the code, in one block that starts with ```python."
)


class JsonlData(Section):
    """Problem rows (``trainer_client.data.problem.Problem``) in JSON Lines files."""

    type: Literal["jsonl"]
    paths: list[Path] = Field(min_length=1)
    """Relative paths are relative to the recipe's directory."""
    split: str | None = None
    """Only problems of this split; all where null."""
    style: Literal["chat", "text"] = "chat"
    """``chat``: statements become conversations, for models with a chat template."""
    instruction: str = INSTRUCTION
    """Put before each statement that is text, in style ``chat``."""


class Filters(Section):
    """Which problems of a data set are left out."""

    difficulties: list[str] | None = None
    """Only problems of these difficulties, as the data set names them; all where null."""
    max_prompt_chars: int | None = Field(None, ge=1)
    """Only problems whose statement and starter code are no longer."""
    pass_rates: Path | None = None
    """Pass rates of the policy, as JSON Lines {"id", "passed", "samples"}: only problems that
    have one within the bounds. Relative to the recipe's directory."""
    min_pass_rate: float = Field(0.0, ge=0, le=1)
    max_pass_rate: float = Field(1.0, ge=0, le=1)
    decontaminate: list[str] = Field([])
    """Evaluation sets, by path or hub name: problems that overlap with one of theirs are out."""
    ngram: int = Field(13, ge=1)
    """Words of an n-gram."""
    min_overlap: float = Field(0.2, ge=0, le=1)
    """The least share of an evaluation problem's n-grams that counts as an overlap."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_pass_rate > self.max_pass_rate:
            raise ValueError("min_pass_rate is above max_pass_rate; nothing would be left")
        if self.pass_rates is None and (self.min_pass_rate, self.max_pass_rate) != (0, 1):
            raise ValueError("bounds of the pass rate need the rates; give pass_rates")
        if self.difficulties is not None:
            self.difficulties = [name.lower() for name in self.difficulties]
        return self


class DatasetData(Section):
    """A published data set, as a file or from the hub, in any format of
    ``trainer_client.data.formats``."""

    type: Literal["dataset"]
    name: str = Field(min_length=1)
    """A path, relative to the recipe's directory, or the name of a data set on the hub."""
    format: str | None = None
    """Of the rows; found out from their columns where null."""
    split: str | None = None
    """Only problems of this split; all where null."""
    filters: Filters = Filters()
    style: Literal["chat", "text"] = "chat"
    """As of ``jsonl``."""
    instruction: str = INSTRUCTION


class MicroData(Section):
    """Problems of the generated micro family: the same fields give the same problems."""

    type: Literal["micro"]
    split: Literal["warm_start", "train", "development", "held_out"] = "train"
    count: int = Field(1500, ge=1)
    seed: int = 1
    hide: Annotated[float, Field(ge=0, le=1)] | Literal["one"] = 0.2
    """Probability that a statement hides an operation, to be found from the examples; ``one``:
    each hides exactly one."""


DataConfig = Annotated[JsonlData | DatasetData | MicroData, Field(discriminator="type")]
