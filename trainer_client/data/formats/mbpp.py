"""Google's MBPP: the full set (``text``) and the sanitized one (``prompt``, ``test_imports``)."""

from executor_api.wire import AssertTest
from trainer_client.data.errors import RowError
from trainer_client.data.formats.fields import Fields
from trainer_client.data.problem import Problem

__all__ = ["COLUMNS", "convert"]

COLUMNS = frozenset({"test_list"})

_SPLITS = ((10, "prompt"), (510, "test"), (600, "validation"), (974, "train"))
"""The last task of each split."""


def convert(row: Fields) -> Problem:
    """The statement shows the tests, as the authors' prompt does: they alone name the function.
    Challenge tests are not shown."""
    asked = row.optional_text("text") or row.text("prompt")
    tests = row.texts("test_list")
    if not tests:
        raise RowError("test_list", tests, "without a test nothing can be judged; add one")
    setup = "\n".join([*row.texts("test_imports"), row.optional_text("test_setup_code")]).strip()
    return Problem(
        id=row.id("task_id", prefix="mbpp"),
        prompt="\n".join([asked.strip(), "Your code should pass these tests:", "", *tests]),
        tests=[
            AssertTest(kind="assert", code=f"{setup}\n{test}".lstrip())
            for test in (*tests, *row.texts("challenge_test_list"))
        ],
        source="mbpp",
        split=row.split or _split(row.get("task_id")),
        reference=row.optional_text("code") or None,
    )


def _split(task: object) -> str:
    if not isinstance(task, int):
        return "train"
    return next((name for last, name in _SPLITS if task <= last), "train")
