"""The project's own rows: the fields of ``Problem``."""

from trainer_client.data.formats.fields import Fields
from trainer_client.data.problem import Problem

__all__ = ["COLUMNS", "convert"]

COLUMNS = frozenset({"id", "tests"})


def convert(row: Fields) -> Problem:
    return Problem.model_validate(row.row)
