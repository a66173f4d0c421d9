"""How much the host does for test code. Every operation is bounded before it starts, so that
neither a hostile test nor a hostile value can hang or exhaust the host.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from executor_api.judge.collisions import too_many_collisions

__all__ = [
    "TooLarge",
    "Unsupported",
    "check_bits",
    "check_ints",
    "check_length",
    "refuse_collisions",
    "size",
]

MAX_BITS = 100_000
MAX_SIZE = 1_000_000
_CONTAINERS = (list, tuple, set, frozenset, dict, Counter)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


class Unsupported(Exception):
    """The test code does something that the host does not do itself."""


class TooLarge(Unsupported):
    """An operation beyond the host's bounds."""


def size(value: Any, limit: int = MAX_SIZE) -> int:
    """Count the scalars and containers in ``value``, shared ones as often as they are reached."""
    total, pending = 0, [value]
    while pending:
        x = pending.pop()
        kind = type(x)
        total += 1
        if kind is str or kind is bytes:
            total += len(x) >> 6
        elif kind is int:
            total += x.bit_length() >> 8
        elif kind is range:
            total += len(x)
        elif kind is dict or kind is Counter:
            pending.extend(x.keys())
            pending.extend(x.values())
        elif kind in _CONTAINERS or kind in _VIEWS:
            pending.extend(x)
        if total + len(pending) > limit:
            raise TooLarge("a value too large to check")
    return total


def check_length(length: int) -> None:
    if length > MAX_SIZE:
        raise TooLarge("a result too large to check")


def check_bits(bits: int) -> None:
    if bits > MAX_BITS:
        raise TooLarge("a number too large to check")


def check_ints(operands: Iterable[Any]) -> None:
    for operand in operands:
        if type(operand) is int:
            check_bits(operand.bit_length())


def refuse_collisions(items: Sequence[Any]) -> None:
    """Refuse many different items of one hash: they make a set or dict quadratic."""
    if too_many_collisions(items):
        raise TooLarge("items chosen to have the same hash")
