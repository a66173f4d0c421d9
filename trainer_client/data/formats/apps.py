"""APPS and TACO: ``input_output`` as JSON, with ``fn_name`` where a function is called."""

from trainer_client.data.errors import RowError
from trainer_client.data.formats.cases import tests_of
from trainer_client.data.formats.fields import Fields
from trainer_client.data.formats.python import without_fence
from trainer_client.data.problem import Problem

__all__ = ["COLUMNS", "convert"]

COLUMNS = frozenset({"question", "input_output"})


def convert(row: Fields) -> Problem:
    """The first of ``solutions`` is the reference; some are Python 2, or wrong."""
    question, starter = row.text("question"), row.optional_text("starter_code")
    split = row.split or row.optional_text("split") or "train"
    return Problem(
        id=row.id("problem_id", "id", prefix=f"apps/{split}"),
        prompt=question,
        starter_code=starter,
        tests=tests_of(row.structure("input_output"), "input_output", "", starter, question),
        source=row.optional_text("source") or "apps",
        split=split,
        reference=_first_solution(row),
        difficulty=row.optional_text("difficulty") or None,
    )


def _first_solution(row: Fields) -> str | None:
    if not row.get("solutions"):
        return None
    solutions = row.structure("solutions")
    if not isinstance(solutions, list) or not all(isinstance(one, str) for one in solutions):
        raise RowError("solutions", solutions, "not a list of programs; write one")
    return without_fence(solutions[0]) if solutions else None
