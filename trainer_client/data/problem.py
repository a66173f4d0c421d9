"""A programming problem, the one row format that everything in the trainer reads."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from executor_api.wire import Checker, ExecuteLimits, TestCase

__all__ = ["DataError", "Message", "Problem", "load_problems", "save_problems"]


class DataError(ValueError):
    """A data file is not what it should be. The message names file, row, field, value, remedy."""


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["system", "user", "assistant"]
    content: str


class Problem(BaseModel):
    """A problem statement and the tests that decide whether a program solves it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=400)
    """Unique within a run."""
    prompt: str | None = Field(None, min_length=1)
    """The statement as text. Exactly one of ``prompt`` and ``messages``."""
    messages: list[Message] | None = Field(None, min_length=1)
    """The statement as a conversation."""
    tests: list[TestCase] = Field(min_length=1)
    """As in the wire contract."""
    starter_code: str = ""
    """Code that the solution has to begin with or to complete."""
    limits: ExecuteLimits = ExecuteLimits()
    """Of one test."""
    checker: Checker | None = None
    """How answers are compared; the executor's default where absent."""
    source: str = ""
    """Where the problem comes from."""
    split: str = "train"
    reference: str | None = None
    """A program known to pass the tests. Never shown to the policy."""
    difficulty: float | str | None = None

    @model_validator(mode="after")
    def _one_form_of_statement(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give exactly one of 'prompt' (text) and 'messages' (a conversation)")
        return self


def load_problems(paths: Iterable[Path | str], split: str | None = None) -> list[Problem]:
    """Read JSON Lines files, in order; with ``split``, only the problems of that split.

    Raises ``DataError`` on a missing or empty file, a malformed row, or an id used twice.
    """
    problems: dict[str, Problem] = {}
    for path in map(Path, paths):
        for number, problem in _read(path):
            if problem.id in problems:
                raise DataError(
                    f"{path}, row {number}: id {problem.id!r} is used twice; rename one"
                )
            problems[problem.id] = problem
    chosen = [p for p in problems.values() if split is None or p.split == split]
    if not chosen:
        splits = sorted({p.split for p in problems.values()})
        raise DataError(f"no problems with split {split!r}; the files have the splits {splits}")
    return chosen


def save_problems(problems: Iterable[Problem], path: Path) -> None:
    """Write problems as JSON Lines that ``load_problems`` reads back equal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for problem in problems:
            file.write(problem.model_dump_json(exclude_unset=True) + "\n")


def _read(path: Path) -> Iterator[tuple[int, Problem]]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the recipe's data.paths")
    with path.open(encoding="utf-8") as file:
        rows = [(n, line) for n, line in enumerate(file, 1) if line.strip()]
    if not rows:
        raise DataError(f"{path}: the file is empty; it needs one problem a line")
    for number, line in rows:
        yield number, _parse(path, number, line)


def _parse(path: Path, number: int, line: str) -> Problem:
    try:
        return Problem.model_validate(json.loads(line))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, row {number}: not JSON ({error}); write one JSON object a line"
        ) from None
    except ValidationError as error:
        raise DataError(f"{path}, row {number}: {_first_problem(error)}") from None


def _first_problem(error: ValidationError) -> str:
    detail: dict[str, Any] = dict(error.errors(include_url=False)[0])
    field = ".".join(str(part) for part in detail["loc"]) or "the row"
    value = repr(detail["input"])
    shown = value if len(value) <= 80 else value[:79] + "…"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"field {field!r} is {shown}: {detail['msg']}{more}"
