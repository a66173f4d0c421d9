"""The fields of a raw row, read strictly: what is not as it should be is a ``RowError``."""

from collections.abc import Mapping
from typing import Any

from trainer_client.data.errors import RowError
from trainer_client.data.files import Row, parse_json

__all__ = ["Fields"]


class Fields:
    """A row of a data set whose format is known.

    Args:
        row: its columns.
        number: its place in the file, from 1.
        source: the name of the file or data set, for ids and ``Problem.source``.
        split: of the data set it was read from, empty where unknown.
    """

    def __init__(self, row: Row, number: int = 1, source: str = "", split: str = "") -> None:
        self.row = row
        self.number = number
        self.source = source
        self.split = split

    def get(self, name: str) -> Any:
        """The value of a field, None where it is absent; ``a.b`` is the field b in a."""
        value: Any = self.row
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def text(self, name: str) -> str:
        """Text that is more than white space."""
        value = self.get(name)
        if not isinstance(value, str) or not value.strip():
            raise RowError(name, value, "this format needs text here; add it")
        return value

    def optional_text(self, *names: str) -> str:
        """The first of these fields that has text, else empty."""
        for name in names:
            value = self.get(name)
            if value is not None and not isinstance(value, str):
                raise RowError(name, value, "not text; write text, or leave the field out")
            if value:
                return str(value)
        return ""

    def texts(self, name: str) -> list[str]:
        """A list of texts, empty where the field is absent."""
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise RowError(name, value, "not a list of texts; write one")
        return value

    def id(self, *names: str, prefix: str) -> str:
        """The text in one of these fields, or ``prefix/number`` of its number or of the row."""
        for name in names:
            value = self.get(name)
            if value is None or value == "":
                continue
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise RowError(name, value, "an id is text or a whole number")
            return value if isinstance(value, str) else f"{prefix}/{value}"
        return "/".join(filter(None, (self.source or prefix, self.split, str(self.number))))

    def structure(self, name: str) -> Any:
        """A list or mapping, which may be written as JSON text."""
        value = self.get(name)
        if isinstance(value, str):
            try:
                value = parse_json(value)
            except ValueError as error:
                raise RowError(name, value, f"{error}; write JSON") from None
        if not isinstance(value, list | dict):
            raise RowError(name, value, "this format needs a list or mapping here; add it")
        return value
