"""The problem family: ``def f(s)`` applies two or three string operations, one a line.

A *structure* is the sequence of operations. Splits are disjoint in the **multiset** of
operations, so no held-out problem is a reordering of one seen in training.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import product
from types import CodeType

__all__ = ["OPERATIONS", "Operation", "Split", "Structure", "program", "run", "structures"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One step: how a statement names it, and the Python expression on ``{0}``."""

    phrase: str
    expression: str
    grows: bool = False


OPERATIONS = (
    Operation("reverse", "{0}[::-1]"),
    Operation("drop the first", "{0}[1:]"),
    Operation("drop the last", "{0}[:-1]"),
    Operation("repeat twice", "{0} + {0}", grows=True),
    Operation("mirror", "{0} + {0}[::-1]", grows=True),
    Operation("sort", "''.join(sorted({0}))"),
    Operation("to upper case", "{0}.upper()"),
    Operation("move the first to the end", "{0}[1:] + {0}[:1]"),
    Operation("move the last to the front", "{0}[-1:] + {0}[:-1]"),
    Operation("keep every second", "{0}[::2]"),
    Operation("keep the first three", "{0}[:3]"),
    Operation("replace a by b", "{0}.replace('a', 'b')"),
    Operation("put d in front", "'d' + {0}"),
    Operation("put e at the end", "{0} + 'e'"),
)

Structure = tuple[Operation, ...]
_NAMES = "sxyzw"
_PROBES = ("abcde", "edcba", "caba", "bdace", "aab", "ecad")


class Split(StrEnum):
    WARM_START = "warm_start"
    TRAIN = "train"
    DEVELOPMENT = "development"
    HELD_OUT = "held_out"


def program(structure: Sequence[Operation], shown: str | None = None) -> str:
    """The reference: one variable a line, then ``return``. With ``shown``, each line has as its
    comment the value on that input."""
    lines = ["def f(s):"]
    values = run(structure, shown) if shown is not None else []
    for i, operation in enumerate(structure):
        comment = f"  # {values[i]!r}" if values else ""
        lines.append(f"    {_NAMES[i + 1]} = {operation.expression.format(_NAMES[i])}{comment}")
    lines.append(f"    return {_NAMES[len(structure)]}")
    return "\n".join(lines) + "\n"


def run(structure: Sequence[Operation], text: str) -> list[str]:
    """The value after each operation. The expressions are this module's own, hence ``eval``."""
    values = [text]
    for operation in structure:
        values.append(eval(_compiled(operation.expression), {"s": values[-1]}))
    return values[1:]


@cache
def structures(split: Split) -> tuple[Structure, ...]:
    """Every structure of the split: .4 warm start, .3 train, .1 development, .2 held out; in a
    fixed order."""
    return tuple(s for length in (2, 3) for s in _candidates(length) if _split(s) is split)


def _candidates(length: int) -> list[Structure]:
    return [s for s in product(OPERATIONS, repeat=length) if _is_minimal(s)]


def _is_minimal(structure: Structure) -> bool:
    """No operation is idle, and at most one doubles the length."""
    if sum(operation.grows for operation in structure) > 1:
        return False
    outputs = _outputs(structure)
    shorter = (structure[:i] + structure[i + 1 :] for i in range(len(structure)))
    return all(_outputs(other) != outputs for other in shorter) and outputs != list(_PROBES)


def _outputs(structure: Structure) -> list[str]:
    return [run(structure, probe)[-1] for probe in _PROBES]


def _split(structure: Structure) -> Split:
    key = "|".join(sorted(operation.phrase for operation in structure))
    part = int(hashlib.sha256(key.encode()).hexdigest(), 16) % 10
    if part < 4:
        return Split.WARM_START
    if part < 7:
        return Split.TRAIN
    return Split.DEVELOPMENT if part < 8 else Split.HELD_OUT


@cache
def _compiled(expression: str) -> CodeType:
    return compile(expression.format("s"), "<operation>", "eval")
