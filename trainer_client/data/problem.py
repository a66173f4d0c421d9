"""A programming problem, the one row format that everything in the trainer reads."""

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from executor_api.wire import CallTest, Checker, ExecuteLimits, ExecuteProgram, FirstError, TestCase
from trainer_client.data.errors import BadRow, DataError, RowError, shown
from trainer_client.data.files import Row, scan

__all__ = [
    "Collection",
    "DataError",
    "Message",
    "Problem",
    "after",
    "load_problems",
    "messages",
    "of_split",
    "save_problems",
]

MAX_DEPTH = 100
"""Of the values in a call's arguments and expectation; the executor compares none deeper."""


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
    tests: FirstError[list[TestCase]] = Field(min_length=1)
    """As in the wire contract."""
    starter_code: str = ""
    """Code that the solution has to begin with or to complete."""
    preamble: str = ""
    """Code put before every solution and not shown to the policy: the imports and helpers that
    the authors of a data set run solutions with."""
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

    @model_validator(mode="after")
    def _values_that_travel(self) -> Self:
        for number, test in enumerate(self.tests):
            if isinstance(test, CallTest):
                _check_value([test.args, test.kwargs, test.expected], f"tests.{number}")
        return self

    @property
    def statement(self) -> str:
        """The text of the statement, of a conversation all that the user says."""
        if self.messages is None:
            return self.prompt or ""
        return "\n\n".join(turn.content for turn in self.messages if turn.role == "user")

    def program(self, code: str) -> ExecuteProgram:
        """The request that judges ``code``."""
        return ExecuteProgram(
            id=self.id,
            code=after(self.preamble, code),
            tests=self.tests,
            checker=self.checker,
            limits=self.limits,
        )


_IDLE = r"(?:[ \t]*(?:#[^\n]*)?\n)*"
_FUTURE = re.compile(rf"{_IDLE}(?:from __future__ import [^\n(]*(?:\n|\Z){_IDLE})+")


def after(preamble: str, code: str) -> str:
    """The program that has ``preamble`` before ``code``, but for imports from ``__future__``, which
    only stand first."""
    first = _FUTURE.match(code) if preamble else None
    if first is None:
        return preamble + code
    return f"{first[0]}{preamble}{code[first.end() :]}"


def _check_value(value: Any, place: str) -> None:
    """JSON as Python reads it allows what does not travel: nan, lone surrogates, any depth."""
    waiting: list[tuple[Any, int]] = [(value, -1)]
    while waiting:
        one, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"{place}: a value nested more than {MAX_DEPTH} deep; flatten it")
        if isinstance(one, float) and not math.isfinite(one):
            raise ValueError(f"{place}: {one} is not JSON; use args_literal or expected_literal")
        if isinstance(one, str) and not one.isascii() and _SURROGATE.search(one):
            raise ValueError(f"{place}: {shown(one)} is not Unicode; use bytes in args_literal")
        if isinstance(one, list | dict):
            waiting += [(item, depth + 1) for item in one]
        if isinstance(one, dict):
            waiting += [(item, depth + 1) for item in one.values()]


_SURROGATE = re.compile("[\ud800-\udfff]")


class Collection:
    """Problems gathered from rows, and everything that is wrong with those rows."""

    def __init__(self, most_errors: int = 1000) -> None:
        self.problems: dict[str, Problem] = {}
        self.bad_rows: list[BadRow] = []
        self.more_errors = 0
        self.other_tasks = 0
        """Rows that ask for something else than a program."""
        self._most_errors = most_errors

    def add(
        self,
        place: str,
        rows: Iterable[tuple[int, Row | RowError]],
        convert: Callable[[Row, int], Problem | None],
    ) -> None:
        """Convert the rows of the file or data set ``place``."""
        for number, row in rows:
            try:
                if isinstance(row, RowError):
                    raise row
                problem = convert(row, number)
            except (RowError, ValidationError) as error:
                self._note(place, number, messages(error))
                continue
            if problem is None:
                self.other_tasks += 1
            elif problem.id in self.problems:
                self._note(place, number, [f"id {shown(problem.id)} is used twice; rename one"])
            else:
                self.problems[problem.id] = problem

    def _note(self, place: str, number: int, messages: list[str]) -> None:
        kept = messages[: max(0, self._most_errors - len(self.bad_rows))]
        self.bad_rows += [BadRow(place, number, message) for message in kept]
        self.more_errors += len(messages) - len(kept)

    def checked(self) -> list[Problem]:
        """The problems in order; ``DataError`` with all that is wrong, if anything is."""
        if self.bad_rows:
            raise DataError.of(self.bad_rows, self.more_errors)
        return list(self.problems.values())


_MESSAGES = 5


def messages(error: RowError | ValidationError) -> list[str]:
    """What is wrong with a row: field, value, remedy; at most five."""
    if isinstance(error, RowError):
        return [str(error)]
    details = error.errors(include_url=False, include_context=False)
    messages = [_message(dict(detail)) for detail in details[:_MESSAGES]]
    if len(details) > _MESSAGES:
        messages[-1] += f" (and {len(details) - _MESSAGES} more)"
    return messages


def _message(detail: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in detail["loc"]) or "the row"
    remedies = {
        "extra_forbidden": "there is no such field, it is not permitted; remove it",
        "missing": "this field is required; add it",
    }
    reason = remedies.get(detail["type"]) or str(detail["msg"]).removeprefix("Value error, ")
    return f"field {field!r} is {shown(detail['input'])}: {reason}"


def load_problems(paths: Iterable[Path | str], split: str | None = None) -> list[Problem]:
    """Read files of problems as ``save_problems`` writes them, in order; with ``split``, only the
    problems of that split.

    Raises ``DataError`` on a missing or empty file, malformed rows, or an id used twice.
    """
    found = Collection()
    for path in paths:
        found.add(str(path), scan(path), lambda row, _: Problem.model_validate(row))
    return of_split(found.checked(), split)


def of_split(problems: list[Problem], split: str | None) -> list[Problem]:
    """Those of a split, all where it is None; ``DataError`` where there is none."""
    chosen = [p for p in problems if split is None or p.split == split]
    if not chosen:
        splits = sorted({p.split for p in problems})
        raise DataError(f"no problems with split {split!r}; the files have the splits {splits}")
    return chosen


def save_problems(problems: Iterable[Problem], path: Path) -> None:
    """Write problems as JSON Lines that ``load_problems`` reads back equal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for problem in problems:
            file.write(problem.model_dump_json(exclude_unset=True) + "\n")
