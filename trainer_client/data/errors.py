"""What is wrong with a data file, said so that it can be mended.

DataError       a file, or rows of it
RowError        one row, while its place is not known yet
"""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["BadRow", "DataError", "RowError", "shown"]

_LISTED = 20
"""Bad rows that a message lists; ``DataError.rows`` has more."""

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60
_REPR.maxlevel = 3


def shown(value: Any) -> str:
    """The value in at most 80 characters, however large or deep it is."""
    text = _REPR.repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


@dataclass(frozen=True, slots=True)
class BadRow:
    """One thing that is wrong with one row."""

    file: str
    row: int
    """From 1, as an editor counts lines; the position in files that have none."""
    message: str
    """Names field, value and remedy."""

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}: {self.message}"


class DataError(ValueError):
    """A data file is not what it should be. The message names file, row, field, value, remedy."""

    def __init__(self, message: str, rows: Sequence[BadRow] = (), more: int = 0) -> None:
        super().__init__(message)
        self.rows = list(rows)
        """What is wrong with which row, in order."""
        self.more = more
        """Errors beyond those in ``rows``."""

    @classmethod
    def of(cls, rows: Sequence[BadRow], more: int = 0) -> "DataError":
        """The error that lists ``rows``, of which ``more`` have been left out."""
        lines = [str(row) for row in rows[:_LISTED]]
        if unlisted := len(rows) - len(lines) + more:
            lines.append(f"and {unlisted} more")
        return cls("\n".join(lines), rows, more)


class RowError(ValueError):
    """A field of a row is not what it should be, or the row as a whole where ``field`` is empty."""

    def __init__(self, field: str, value: Any, reason: str) -> None:
        super().__init__(f"field {field!r} is {shown(value)}: {reason}" if field else reason)
