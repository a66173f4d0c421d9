"""Data sets as ``Problem``s: what is published, in the form it is published in.

``load`` reads a file or a data set of the hub, finds out its format and converts it. A format is
a module with ``COLUMNS``, which a row of it has, and ``convert``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from trainer_client.data.errors import BadRow, DataError, RowError
from trainer_client.data.files import Row, names_file, read_rows, scan
from trainer_client.data.formats import (
    apps,
    coderl,
    deepcoder,
    humaneval,
    leetcode,
    livecodebench,
    mbpp,
    verifiable,
    verl,
)
from trainer_client.data.formats.fields import Fields
from trainer_client.data.problem import Collection, Problem, of_split

__all__ = ["FORMATS", "Format", "collect", "load", "read_rows"]


@dataclass(frozen=True, slots=True)
class Format:
    """How the rows of a family of data sets become problems."""

    name: str
    columns: frozenset[str]
    """A row that has all of these may be of this format."""
    convert: Callable[[Fields], Problem | None]
    """None for a row that asks for something else than a program. Raises ``RowError`` or
    Pydantic's ``ValidationError``."""

    def __call__(
        self, row: Row, number: int = 1, source: str = "", split: str = ""
    ) -> Problem | None:
        """Convert one row; ``number``, ``source`` and ``split`` say where it stands."""
        return self.convert(Fields(row, number, source, split))


FORMATS: Mapping[str, Format] = {
    name: Format(name, module.COLUMNS, module.convert)
    for name, module in (
        ("apps", apps),
        ("coderl", coderl),
        ("deepcoder", deepcoder),
        ("humaneval", humaneval),
        ("leetcode", leetcode),
        ("livecodebench", livecodebench),
        ("mbpp", mbpp),
        ("verifiable", verifiable),
        ("verl", verl),
    )
}


def load(
    path_or_hub_name: Path | str, format: str | None = None, split: str | None = None
) -> list[Problem]:
    """The problems of a file, or else of a data set of the hub (``owner/name``, followed by
    ``@configuration`` where it has several) or a folder that ``datasets.load_dataset`` reads.

    Args:
        format: a name in ``FORMATS``; found out from the columns where None.
        split: only the problems of that split; all where None.

    Raises ``DataError``, which lists all rows that are not valid.
    """
    found, _ = collect(path_or_hub_name, format, split)
    return of_split(found.checked(), split)


def collect(
    path_or_hub_name: Path | str, format: str | None = None, split: str | None = None
) -> tuple[Collection, str]:
    """As ``load``, good and bad rows apart, and the name of the format."""
    path, name = Path(path_or_hub_name), str(path_or_hub_name)
    found = Collection()
    parts: Iterable[tuple[str, Iterator[tuple[int, Row | RowError]]]]
    if names_file(name):
        parts, source = [("", scan(path))], path.name.split(".")[0]
    else:
        from trainer_client.data.hub import hub_rows

        parts, source = hub_rows(name, split), path.name if path.is_dir() else name
    chosen = _named(format) if format else None
    for part, rows in parts:
        first = list(islice(rows, _LOOKED_AT))
        if not first:
            continue
        chosen = chosen or _detected(name, first)
        found.add(name, chain(first, rows), _converter(chosen, source, part))
    if chosen is None:
        raise DataError(f"{name}: it has no rows; give another file or data set")
    return found, chosen.name


_LOOKED_AT = 8


def _converter(chosen: Format, source: str, split: str) -> Callable[[Row, int], Problem | None]:
    return lambda row, number: chosen(row, number, source, split)


def _named(name: str) -> Format:
    if name not in FORMATS:
        raise DataError(f"format is {name!r}: choose one of {', '.join(FORMATS)}")
    return FORMATS[name]


def _detected(place: str, first: list[tuple[int, Row | RowError]]) -> Format:
    """The one format that any of the first rows has the columns of."""
    rows = [row for _, row in first if isinstance(row, dict)]
    if not rows:
        raise DataError.of([BadRow(place, number, str(error)) for number, error in first])
    fits = [f for f in FORMATS.values() if any(f.columns <= row.keys() for row in rows)]
    if len(fits) == 1:
        return fits[0]
    columns = sorted(set().union(*rows))[:30]
    if not fits:
        raise DataError(
            f"{place}: its columns {columns} are of no known format; "
            f"give the format: {', '.join(FORMATS)}"
        )
    names = ", ".join(f.name for f in fits)
    raise DataError(f"{place}: its columns {columns} fit {names}; give the format")
