"""CRUXEval: what a call gives. It asks for no program, so it makes no ``Problem``s."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer_client.data.errors import BadRow, DataError, RowError
from trainer_client.data.files import read_rows
from trainer_client.data.formats.fields import Fields

__all__ = ["Execution", "executions"]


@dataclass(frozen=True, slots=True)
class Execution:
    """A program and one call of it."""

    id: str
    code: str
    """Defines ``f``."""
    arguments: str
    """Of the call, as they stand between its parentheses."""
    output: str
    """The literal of what the call returns."""

    @property
    def call(self) -> str:
        return f"f({self.arguments})"


def executions(path: Path | str) -> Iterator[Execution]:
    """The rows of a file, in order; ``DataError`` at the first that is not valid."""
    for number, row in read_rows(path):
        fields = Fields(row, number, "cruxeval")
        try:
            yield Execution(
                id=fields.id("id", prefix="cruxeval"),
                code=fields.text("code"),
                arguments=fields.optional_text("input"),
                output=fields.text("output"),
            )
        except RowError as error:
            raise DataError.of([BadRow(str(path), number, str(error))]) from None
