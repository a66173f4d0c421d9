"""Training problems that repeat what an evaluation asks: overlap of word n-grams.

Statements (with their starter code, where HumanEval keeps its docstrings) are compared with
statements, references with references. A text is its words, in lower case, without punctuation;
a text of fewer than n words is one gram. The overlap of a training problem with an evaluation
problem is the share of the latter's n-grams that the former contains (containment). One shared
13-gram marks a text as contaminated in Brown et al. 2020 (arXiv 2005.14165, appendix C); that
also takes phrases that statements of one site have in common, hence the share.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from trainer_client.data.problem import Problem

__all__ = ["Contamination", "Overlap"]

Kind = Literal["statement", "code"]

NGRAM = 13
MIN_OVERLAP = 0.2
MIN_WORDS = 5
"""Shorter texts ("Add two numbers.") tell nothing."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a problem has in common with the evaluation problem that it overlaps most with."""

    id: str
    """Of the training problem."""
    with_id: str
    """Of the evaluation problem."""
    kind: Kind
    """What was compared."""
    ratio: float
    """Share of the evaluation problem's n-grams that the training problem contains."""
    example: str
    """One n-gram that both have."""


class Contamination:
    """An index of evaluation problems."""

    def __init__(
        self, held_out: Iterable[Problem], ngram: int = NGRAM, min_overlap: float = MIN_OVERLAP
    ) -> None:
        """``min_overlap``: the least containment that counts; 0 for any shared n-gram."""
        self._ngram = ngram
        self._min_overlap = min_overlap
        self._ids: list[str] = []
        self._sizes: list[dict[Kind, int]] = []
        self._places: dict[Kind, dict[str, list[int]]] = {"statement": {}, "code": {}}
        for problem in held_out:
            self._add(problem)

    def _add(self, problem: Problem) -> None:
        number = len(self._ids)
        self._ids.append(problem.id)
        sizes: dict[Kind, int] = {}
        for kind, text in _texts(problem):
            found = _grams(text, self._ngram)
            sizes[kind] = len(found)
            for gram in found:
                self._places[kind].setdefault(gram, []).append(number)
        self._sizes.append(sizes)

    def overlap(self, problem: Problem) -> Overlap | None:
        """The largest overlap of a training problem, None below ``min_overlap``."""
        found = [self._largest(problem, kind, text) for kind, text in _texts(problem)]
        counted = [one for one in found if one is not None]
        return max(counted, key=lambda one: one.ratio, default=None)

    def _largest(self, problem: Problem, kind: Kind, text: str) -> Overlap | None:
        places = self._places[kind]
        shared = [gram for gram in _grams(text, self._ngram) if gram in places]
        counts = Counter(number for gram in shared for number in places[gram])
        ratios = {number: n / self._sizes[number][kind] for number, n in counts.items()}
        if not ratios:
            return None
        number = max(ratios, key=lambda n: ratios[n])
        if ratios[number] < self._min_overlap:
            return None
        common = [gram for gram in shared if number in places[gram]]
        return Overlap(
            problem.id, self._ids[number], kind, ratios[number], common[len(common) // 2]
        )


def _texts(problem: Problem) -> Iterator[tuple[Kind, str]]:
    yield "statement", f"{problem.statement}\n{problem.starter_code}"
    yield "code", problem.reference or ""


def _grams(text: str, length: int) -> Sequence[str]:
    """The different n-grams, in order."""
    words = _WORD.findall(text.lower())
    if len(words) < MIN_WORDS:
        return ()
    last = max(1, len(words) - length + 1)
    return tuple(dict.fromkeys(" ".join(words[i : i + length]) for i in range(last)))
