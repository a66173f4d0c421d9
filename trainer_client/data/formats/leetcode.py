"""newfacade/LeetCodeDataset: a method of ``Solution``, judged by ``check(candidate)``."""

from trainer_client.data.formats.checks import assertions_of_check
from trainer_client.data.formats.fields import Fields
from trainer_client.data.problem import Problem

__all__ = ["COLUMNS", "convert"]

COLUMNS = frozenset({"query", "entry_point", "completion", "test"})

_REQUEST = "Please complete the following python code precisely:"
"""Ends the statement in ``query``; the starter code follows."""


def convert(row: Fields) -> Problem:
    """``prompt`` is what the authors put before a solution: imports, and classes of nodes."""
    entry = row.text("entry_point")
    statement = row.optional_text("problem_description") or row.text("query")
    before, _, after = statement.partition(_REQUEST)
    starter = row.optional_text("starter_code", "meta.lang_code") or _fenced(after)
    return Problem(
        id=row.id("task_id", prefix="leetcode"),
        prompt=before.strip() or statement,
        starter_code=starter,
        preamble=row.optional_text("prompt"),
        tests=assertions_of_check(row.text("test"), entry, "test"),
        source="leetcode",
        split=row.split or "train",
        reference=row.optional_text("completion") or None,
        difficulty=row.optional_text("difficulty", "meta.difficulty") or None,
    )


def _fenced(text: str) -> str:
    return text.partition("```python\n")[2].partition("```")[0]
