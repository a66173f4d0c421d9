"""Rows out of files: JSON Lines, JSON and Parquet, the first two also compressed with gzip.

A row is a mapping with text keys and nothing more is known of it: what its fields have to be is
for ``trainer_client.data.formats`` to say. Reading is bounded in memory by the size of a row.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from trainer_client.data.errors import BadRow, DataError, RowError, shown

__all__ = ["MAX_ROW_BYTES", "Row", "is_readable", "names_file", "parse_json", "read_rows", "scan"]

Row = dict[str, Any]

MAX_ROW_BYTES = 256_000_000
"""Of one row as text; LiveCodeBench's longest take a tenth of it."""
MAX_JSON_BYTES = 1_000_000_000
"""Of a file that is one JSON value, which is read as a whole."""
_PARQUET_ROWS = 64
"""Read at a time: their values are all in memory."""


def read_rows(path: Path | str) -> Iterator[tuple[int, Row]]:
    """The rows of a file with their numbers, from 1 (in JSON Lines those of the lines).

    Raises ``DataError`` at a row that cannot be read, and for a file that is missing, empty or
    of another kind.
    """
    for number, row in scan(path):
        if isinstance(row, RowError):
            raise DataError.of([BadRow(str(path), number, str(row))])
        yield number, row


def scan(path: Path | str) -> Iterator[tuple[int, Row | RowError]]:
    """As ``read_rows``, with an error in the place of a row that cannot be read."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path, which has to be that of a file")
    read = _READERS.get(_kind(path))
    if read is None:
        raise DataError(
            f"{path}: the name ends in {path.suffix!r}; give .jsonl, .json (either also .gz) "
            "or .parquet"
        )
    empty = True
    try:
        for item in read(path):
            empty = False
            yield item
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}; fetch or write it again") from None
    if empty:
        raise DataError(f"{path}: the file is empty; it needs one problem a row")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text; ``ValueError`` with a short reason for whatever stops it."""
    try:
        return json.loads(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error})") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise ValueError("nested too deeply for JSON") from None
    except ValueError as error:  # integers of more than 4,300 digits
        raise ValueError(f"not readable ({error})") from None


def names_file(name: str) -> bool:
    """Whether there is a file of this name, or it is meant for one: names on the hub are ``name``
    and ``owner/name``, and may have dots."""
    path = Path(name)
    if path.exists():
        return path.is_file()
    return name.count("/") > 1 or name.startswith((".", "/", "~")) or is_readable(path)


def is_readable(path: Path) -> bool:
    """Whether the name is that of a kind of file that is read here."""
    return _kind(path) in _READERS


def _kind(path: Path) -> str:
    return path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _lines(path: Path) -> Iterator[tuple[int, Row | RowError]]:
    with _open(path) as file:
        number = 0
        while line := file.readline(MAX_ROW_BYTES + 1):
            number += 1
            if len(line) > MAX_ROW_BYTES:
                yield number, RowError("", None, _too_long(MAX_ROW_BYTES))
                return
            if line.strip():
                yield number, _line(line)


def _line(line: bytes) -> Row | RowError:
    try:
        return _mapping(parse_json(line))
    except ValueError as error:
        return RowError("", line, f"{error}; write one JSON object a line")


def _mapping(row: Any) -> Row | RowError:
    if isinstance(row, dict):
        return row
    return RowError("", row, f"{shown(row)} is not a JSON object; write one with a row's fields")


def _too_long(bound: int) -> str:
    return f"longer than {bound:,} bytes; leave out what makes it so long"


def _json(path: Path) -> Iterator[tuple[int, Row | RowError]]:
    with _open(path) as file:
        text = file.read(MAX_JSON_BYTES + 1)
    if len(text) > MAX_JSON_BYTES:
        raise DataError(f"{path}: longer than {MAX_JSON_BYTES:,} bytes; write it as JSON Lines")
    try:
        rows = parse_json(text)
    except ValueError as error:
        raise DataError(f"{path}: {error}; a .json file holds a list of rows") from None
    if not isinstance(rows, list):
        raise DataError(f"{path}: not a list of rows but {type(rows).__name__}; write a list")
    yield from enumerate(map(_mapping, rows), 1)


def _parquet(path: Path) -> Iterator[tuple[int, Row | RowError]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{path}: Parquet needs pyarrow; install it: pip install 'coderl-plus[eval]'"
        ) from None
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_PARQUET_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: not a Parquet file ({error}); fetch or write it again") from None


_READERS = {".jsonl": _lines, ".ndjson": _lines, ".json": _json, ".parquet": _parquet}
