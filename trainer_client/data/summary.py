"""What a set of problems consists of."""

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import BaseModel

from trainer_client.data.problem import Problem

__all__ = ["Spread", "Summary", "summarize"]

_DUPLICATES = 100
"""Groups of equal statements that are listed."""


class Spread(BaseModel):
    """Of a number that each problem has."""

    least: float
    median: float
    most: float
    total: float

    @classmethod
    def of(cls, values: Sequence[int]) -> Self:
        return cls(
            least=min(values),
            median=statistics.median(values),
            most=max(values),
            total=sum(values),
        )


class Summary(BaseModel):
    """Counts over problems."""

    problems: int
    tests: Spread
    """A problem."""
    statement_chars: Spread
    """With the starter code."""
    test_bytes: Spread
    """As JSON: what travels with each program."""
    kinds: dict[str, int]
    """Of tests."""
    splits: dict[str, int]
    sources: dict[str, int]
    difficulties: dict[str, int]
    with_reference: int
    with_starter_code: int
    duplicates: list[list[str]]
    """Ids of problems whose statements have the same words."""


def summarize(problems: Sequence[Problem]) -> Summary:
    """Of at least one problem."""
    return Summary(
        problems=len(problems),
        tests=Spread.of([len(p.tests) for p in problems]),
        statement_chars=Spread.of([len(p.statement) + len(p.starter_code) for p in problems]),
        test_bytes=Spread.of([sum(len(t.model_dump_json()) for t in p.tests) for p in problems]),
        kinds=_counts(test.kind for p in problems for test in p.tests),
        splits=_counts(p.split for p in problems),
        sources=_counts(p.source for p in problems),
        difficulties=_counts("" if p.difficulty is None else str(p.difficulty) for p in problems),
        with_reference=sum(p.reference is not None for p in problems),
        with_starter_code=sum(bool(p.starter_code) for p in problems),
        duplicates=_duplicates(problems),
    )


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(name or "none" for name in names).most_common())


def _duplicates(problems: Sequence[Problem]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for problem in problems:
        words = re.findall(r"\w+", f"{problem.statement} {problem.starter_code}".lower())
        groups.setdefault(" ".join(words), []).append(problem.id)
    return [ids for ids in groups.values() if len(ids) > 1][:_DUPLICATES]
