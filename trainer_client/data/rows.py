"""Problems and questions as dataset rows.

TRL passes to the rewards the columns of the first row of a batch, and a batch mixes both tasks:
so rows of both have the same columns, and structured ones are JSON text.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from executor_api.wire import Checker, ExecuteLimits, ExecuteProgram, TestCase
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.config import INSTRUCTION
from trainer_client.data.problem import DataError, Problem, after

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = [
    "ALIGNMENT",
    "CODE",
    "CODE_COLUMNS",
    "Row",
    "alignment_row",
    "code_row",
    "of_columns",
    "program",
    "to_dataset",
]

CODE = "code"
ALIGNMENT = "alignment"
CODE_COLUMNS = (
    "task",
    "problem_id",
    "tests",
    "checker",
    "limits",
    "reference",
    "preamble",
    "starter_code",
)
"""What the reward of code rows reads."""

Row = dict[str, Any]
_TESTS: TypeAdapter[list[TestCase]] = TypeAdapter(list[TestCase])
_CHECKER: TypeAdapter[Checker | None] = TypeAdapter(Checker | None)


def code_row(
    problem: Problem, style: Literal["chat", "text"] = "chat", instruction: str = INSTRUCTION
) -> Row:
    """A code-generation row: ``tests``, ``checker`` and ``limits`` as in the wire contract; what
    the prompt ends in and the completion goes on with is ``starter_code``."""
    return {
        "prompt": prompt(problem, style, instruction),
        "task": CODE,
        "problem_id": problem.id,
        "tests": _TESTS.dump_json(problem.tests, exclude_unset=True).decode(),
        "checker": _CHECKER.dump_json(problem.checker, exclude_unset=True).decode(),
        "limits": problem.limits.model_dump_json(exclude_unset=True),
        "reference": after(problem.preamble, problem.reference) if problem.reference else "",
        "preamble": problem.preamble,
        "starter_code": problem.starter_code if style == "text" else "",
        "sample": "",
    }


def alignment_row(sample: AlignmentSample, prompt: str | list[dict[str, str]]) -> Row:
    """An alignment row: the question, and the whole sample for its reward."""
    return {
        "prompt": prompt,
        "task": ALIGNMENT,
        "problem_id": sample.problem_id,
        "tests": "[]",
        "checker": "null",
        "limits": "{}",
        "reference": "",
        "preamble": "",
        "starter_code": "",
        "sample": sample.model_dump_json(),
    }


def of_columns(columns: Mapping[str, Sequence[Any]]) -> list[Row]:
    """The rows of a batch, as far as the reward of code rows reads them.

    Raises ``ValueError`` where a column is missing.
    """
    missing = [name for name in CODE_COLUMNS if name not in columns]
    if missing:
        raise ValueError(
            f"the dataset has no column {', '.join(map(repr, missing))}: "
            "make it with to_dataset of trainer_client.data.rows"
        )
    batch = zip(*(columns[name] for name in CODE_COLUMNS), strict=True)
    return [dict(zip(CODE_COLUMNS, row, strict=True)) for row in batch]


def program(
    id: str, code: str, tests: str, checker: str, limits: str, preamble: str
) -> ExecuteProgram:
    """The request that judges a rollout of a code row."""
    return ExecuteProgram(
        id=id,
        code=after(preamble, code),
        tests=_TESTS.validate_json(tests),
        checker=_CHECKER.validate_json(checker),
        limits=ExecuteLimits.model_validate(json.loads(limits)),
    )


def to_dataset(
    problems: Sequence[Problem],
    style: Literal["chat", "text"] = "chat",
    instruction: str = INSTRUCTION,
) -> "Dataset":
    """The dataset that TRL trains on, one row a problem, in order."""
    from datasets import Dataset

    return Dataset.from_list([code_row(p, style, instruction) for p in problems])


def prompt(
    problem: Problem, style: Literal["chat", "text"], instruction: str = INSTRUCTION
) -> str | list[dict[str, str]]:
    """What the policy is shown: text in style ``text``, else a conversation.

    Raises ``DataError`` for a problem that is a conversation where text is asked for.
    """
    if problem.messages is not None:
        if style == "text":
            raise DataError(
                f"problem {problem.id!r} has 'messages', but data.style is 'text'; "
                "set data.style to 'chat' or give the problem a 'prompt'"
            )
        return [message.model_dump() for message in problem.messages]
    statement = problem.prompt or ""
    if style == "text":
        return statement + problem.starter_code
    starter = problem.starter_code.strip("\n")
    begin = f"\n\nBegin with this code:\n\n```python\n{starter}\n```" if starter else ""
    return [{"role": "user", "content": f"{instruction}\n\n{statement}{begin}".strip()}]
