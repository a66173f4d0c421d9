"""The project's own rows: the fields of ``Problem``."""

from trainer_client.data.formats.fields import Fields
from trainer_client.data.problem import Problem

__all__ = ["COLUMNS", "convert"]

COLUMNS = frozenset({"id", "tests"})


def convert(row: Fields) -> Problem:
    """In Parquet every row has all columns, and ``tests`` are JSON text: so null is as absent."""
    given = {name: value for name, value in row.row.items() if value is not None}
    if isinstance(given.get("tests"), str):
        given["tests"] = row.structure("tests")
    return Problem.model_validate({"split": row.split, **given} if row.split else given)
