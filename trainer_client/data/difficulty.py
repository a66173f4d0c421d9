"""How hard problems are for a policy: its own pass rates, and the problems within bounds of them.

A problem that the policy always or never solves gives a group of equal rewards, and so no gradient.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trainer_client.data.errors import BadRow, DataError, RowError
from trainer_client.data.files import scan
from trainer_client.data.problem import Problem, messages

__all__ = ["PassRate", "outside", "read_pass_rates"]


class PassRate(BaseModel):
    """How many of a policy's programs for a problem passed its tests."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    """Of the problem."""
    passed: int = Field(ge=0)
    samples: int = Field(ge=1)
    """Programs with a verdict."""

    @model_validator(mode="after")
    def _no_more_than_all(self) -> "PassRate":
        if self.passed > self.samples:
            raise ValueError(f"passed is {self.passed} of samples {self.samples}; correct one")
        return self

    @property
    def rate(self) -> float:
        return self.passed / self.samples


def read_pass_rates(path: Path | str) -> dict[str, PassRate]:
    """Problem → its rate. A problem that stands in several lines has their sum: that of several
    evaluations, or steps of a run.

    Raises ``DataError`` with all lines that are not valid.
    """
    rates: dict[str, PassRate] = {}
    bad: list[BadRow] = []
    for number, row in scan(path):
        try:
            if isinstance(row, RowError):
                raise row
            read = PassRate.model_validate(row)
        except (RowError, ValidationError) as error:
            bad += [BadRow(str(path), number, message) for message in messages(error)]
            continue
        before = rates.get(read.id)
        rates[read.id] = read if before is None else _sum(before, read)
    if bad:
        raise DataError.of(bad)
    return rates


def _sum(a: PassRate, b: PassRate) -> PassRate:
    return PassRate(id=a.id, passed=a.passed + b.passed, samples=a.samples + b.samples)


def outside(
    problems: Sequence[Problem],
    rates: Mapping[str, PassRate],
    min_pass_rate: float = 0.0,
    max_pass_rate: float = 1.0,
) -> dict[str, str]:
    """Problem → why it is not within the bounds, which are inclusive: ``too hard``, ``too easy``,
    or ``without a pass rate``. Those within them are not in it.

    Raises ``DataError`` where no problem has a rate: then the rates are of other problems.
    """
    if problems and not any(problem.id in rates for problem in problems):
        raise DataError(
            f"none of the {len(problems)} problems has a pass rate: their ids are such as "
            f"{_few([p.id for p in problems])}, those of the rates {_few(list(rates))}; "
            "evaluate these problems"
        )
    reasons = {p.id: _reason(rates.get(p.id), min_pass_rate, max_pass_rate) for p in problems}
    return {id: reason for id, reason in reasons.items() if reason is not None}


def _reason(rate: PassRate | None, low: float, high: float) -> str | None:
    if rate is None:
        return "without a pass rate"
    if rate.rate < low:
        return "too hard"
    return "too easy" if rate.rate > high else None


def _few(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:2])) or "none"
