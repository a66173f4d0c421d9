"""Data sets of the Hugging Face hub, through ``datasets``; nothing of theirs is executed."""

from collections.abc import Iterator
from typing import Any

from trainer_client.data.errors import DataError, RowError
from trainer_client.data.files import Row

__all__ = ["hub_rows"]


def hub_rows(
    name: str, split: str | None
) -> Iterator[tuple[str, Iterator[tuple[int, Row | RowError]]]]:
    """For each split its name and its rows, numbered from 1. ``name`` is that of a data set, with
    ``owner/name@configuration`` where it has several."""
    for part, rows in _loaded(name, split).items():
        yield part, enumerate(rows, 1)


def _loaded(name: str, split: str | None) -> dict[str, Any]:
    try:
        from datasets import load_dataset
    except ImportError:
        raise DataError(
            f"{name}: no such file, and data sets of the hub need the package datasets: "
            "pip install 'coderl-plus[eval]'"
        ) from None
    path, _, configuration = name.partition("@")
    try:
        loaded = load_dataset(path, configuration or None, split=split)
    except Exception as error:  # of several libraries, and every kind of trouble with the network
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise DataError(
            f"{name}: neither a file nor a data set that the hub gives ({reason}); check the "
            "name and the connection, or fetch a file of it and give its path"
        ) from None
    return {split: loaded} if split is not None else dict(loaded)
