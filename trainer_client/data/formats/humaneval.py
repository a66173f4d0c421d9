"""OpenAI HumanEval: ``check(candidate)``."""

from trainer_client.data.formats.checks import assertions_of_check
from trainer_client.data.formats.fields import Fields
from trainer_client.data.formats.python import before_function
from trainer_client.data.problem import Problem

__all__ = ["COLUMNS", "convert"]

COLUMNS = frozenset({"prompt", "entry_point", "canonical_solution", "test"})


def convert(row: Fields) -> Problem:
    """``starter_code`` is the prompt to the letter; its imports and helpers stand before every
    solution, which need not repeat them."""
    prompt, entry = row.text("prompt"), row.text("entry_point")
    solution = row.optional_text("canonical_solution")
    return Problem(
        id=row.id("task_id", prefix="HumanEval"),
        prompt=f"Complete the function `{entry}` as its docstring says.\n\n",
        starter_code=prompt,
        preamble=before_function(prompt + (solution or "    pass\n"), entry, "prompt"),
        tests=assertions_of_check(row.text("test"), entry, "test"),
        source="humaneval",
        split=row.split or "test",
        reference=prompt + solution if solution else None,
    )
