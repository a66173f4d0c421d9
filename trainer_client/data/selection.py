"""Which problems of a data set to train on, and why the others are left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainer_client.config import DatasetData, Filters
from trainer_client.data.contamination import Contamination, Overlap
from trainer_client.data.difficulty import outside, read_pass_rates
from trainer_client.data.errors import DataError
from trainer_client.data.formats import load
from trainer_client.data.problem import Problem

__all__ = ["Selection", "select", "selected"]


@dataclass
class Selection:
    """The problems that are kept, in order, and those that are not."""

    kept: list[Problem]
    dropped: dict[str, list[str]] = field(default_factory=dict)
    """Reason → ids."""
    overlaps: list[Overlap] = field(default_factory=list)
    """Of the problems dropped as ``contaminated``."""

    def drop(self, reasons: Mapping[str, str]) -> None:
        """Leave out the problems with these ids, for these reasons."""
        for problem in self.kept:
            if problem.id in reasons:
                self.dropped.setdefault(reasons[problem.id], []).append(problem.id)
        self.kept = [problem for problem in self.kept if problem.id not in reasons]

    def __str__(self) -> str:
        total = len(self.kept) + sum(map(len, self.dropped.values()))
        reasons = (f"{len(ids)} {reason}" for reason, ids in self.dropped.items())
        return f"{len(self.kept)} of {total} problems kept" + "".join(f", {r}" for r in reasons)


def selected(data: DatasetData) -> Selection:
    """The problems of a recipe's data set. Raises ``DataError`` where none is left."""
    selection = select(load(data.name, data.format, data.split), data.filters)
    if not selection.kept:
        raise DataError(f"{data.name}: the filters leave no problem ({selection}); loosen them")
    return selection


def select(problems: Sequence[Problem], filters: Filters) -> Selection:
    """Apply the filters, the cheap ones first."""
    selection = Selection(list(problems))
    if filters.difficulties is not None:
        wanted = filters.difficulties
        others = [p for p in selection.kept if str(p.difficulty).lower() not in wanted]
        selection.drop({p.id: "of another difficulty" for p in others})
    if filters.max_prompt_chars is not None:
        most = filters.max_prompt_chars
        long = [p for p in selection.kept if len(p.statement) + len(p.starter_code) > most]
        selection.drop({p.id: "with a longer statement" for p in long})
    if filters.pass_rates is not None:
        rates = read_pass_rates(filters.pass_rates)
        low, high = filters.min_pass_rate, filters.max_pass_rate
        selection.drop(outside(selection.kept, rates, low, high))
    if filters.decontaminate:
        selection.overlaps = _overlaps(selection.kept, filters)
        selection.drop({overlap.id: "contaminated" for overlap in selection.overlaps})
    return selection


def _overlaps(problems: Sequence[Problem], filters: Filters) -> list[Overlap]:
    held_out = [problem for name in filters.decontaminate for problem in load(name)]
    index = Contamination(held_out, filters.ngram, filters.min_overlap)
    found = (index.overlap(problem) for problem in problems)
    return [overlap for overlap in found if overlap is not None]
