"""agentica-org/DeepCoder-Preview-Dataset: ``problem`` and ``tests``, in the shapes of its origins
(TACO, PrimeIntellect, LiveCodeBench, Codeforces)."""

from trainer_client.data.errors import RowError
from trainer_client.data.formats.cases import tests_of
from trainer_client.data.formats.fields import Fields
from trainer_client.data.formats.python import without_fence
from trainer_client.data.problem import Problem

__all__ = ["COLUMNS", "convert"]

COLUMNS = frozenset({"problem", "tests"})


def convert(row: Fields) -> Problem:
    problem, starter = row.text("problem"), row.optional_text("starter_code")
    solutions = row.get("solutions")
    if solutions is not None and not isinstance(solutions, str | list):
        raise RowError("solutions", solutions, "not a list of programs; write one")
    first = solutions if isinstance(solutions, str) else next(iter(solutions or ()), "")
    if not isinstance(first, str):
        raise RowError("solutions.0", first, "not a program; write text")
    return Problem(
        id=row.id("id", prefix="deepcoder"),
        prompt=problem,
        starter_code=starter,
        tests=tests_of(row.structure("tests"), "tests", _function(row), starter, problem),
        source="deepcoder",
        split=row.split or "train",
        reference=without_fence(first) or None,
    )


def _function(row: Fields) -> str:
    """Named beside the tests in the rows that come from LiveCodeBench."""
    metadata = row.structure("metadata") if row.get("metadata") else {}
    return Fields({"metadata": metadata}).optional_text("metadata.func_name")
