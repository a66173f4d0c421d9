"""Comparison of plain values: what a call returned against what was expected.

Types count: ``True`` is not ``1``, a tuple is not a list (unless sequences are loose), a set is
not a frozenset. Numbers are Python's: ``3 == 3.0``; where either side is a float or complex,
they may differ by the tolerance, absolute below magnitude 1 and relative above; ``nan`` equals
``nan``. Dict keys are never matched with tolerance. An expectation written in JSON has only
string keys, so there ``{"1": …}`` also equals a dict whose keys are all ints, ``{1: …}``.

Nothing here hashes a program's values into new tables or recurses without bound, and nothing
raises, whatever the values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from executor_api.judge.collisions import too_many_collisions
from executor_api.judge.literals import literal

__all__ = ["Rules", "difference", "unordered_difference"]

_MAX_DEPTH = 150
_MAX_REMATCHED = 64
_SHOWN = 80
_NUMBERS = (int, float, complex)


@dataclass(frozen=True, slots=True)
class Rules:
    float_tolerance: float = 1e-6
    loose_sequences: bool = False
    json_keys: bool = False


def difference(actual: Any, expected: Any, rules: Rules) -> str | None:
    """Return a sentence on the first difference, or None where the values are equal."""
    return _apart(actual, expected, rules, "", _MAX_DEPTH)


def unordered_difference(actual: Any, expected: Any, rules: Rules) -> str | None:
    """As ``difference``, with the top-level items of two sequences compared as a multiset.

    Both are sorted and compared in pairs: exact, except that up to 64 items left without a
    partner, because the tolerance made them sort differently, are matched first come, first
    served.
    """
    if not _both_sequences(actual, expected, rules):
        return difference(actual, expected, rules)
    if len(actual) != len(expected):
        return f"expected {len(expected)} items, got {len(actual)}"
    return _multiset_apart(actual, expected, rules, "", _MAX_DEPTH)


def _apart(a: Any, e: Any, rules: Rules, path: str, depth: int) -> str | None:
    kind = type(e)
    if depth <= 0:
        return f"{_at(path)}nested too deeply to compare"
    if kind in _NUMBERS and type(a) in _NUMBERS:
        return None if _same_number(a, e, rules.float_tolerance) else _differs(a, e, path)
    if _both_sequences(a, e, rules):
        return _sequence_apart(a, e, rules, path, depth)
    if type(a) is not kind:
        return f"{_at(path)}expected {_named(e)}, got {_named(a)}"
    if kind is dict:
        return _dict_apart(a, e, rules, path, depth)
    if kind is set or kind is frozenset:
        if len(a) != len(e):
            return f"{_at(path)}expected {len(e)} items, got {len(a)}"
        return _multiset_apart(list(a), list(e), rules, path, depth)
    return None if a == e else _differs(a, e, path)


def _both_sequences(a: Any, e: Any, rules: Rules) -> bool:
    kinds = {type(a), type(e)}
    return kinds in ({list}, {tuple}) or (rules.loose_sequences and kinds == {list, tuple})


def _same_number(a: complex, e: complex, tolerance: float) -> bool:
    if a == e:
        return True
    if type(a) is int and type(e) is int:
        return False
    if type(a) is complex or type(e) is complex:
        pairs = ((a.real, e.real), (a.imag, e.imag))
        return all(_close(x, y, tolerance, magnitude=_magnitude(e)) for x, y in pairs)
    # Of a large int, what is relative would let a sum be off by one and more.
    magnitude = 1.0 if type(e) is int else _magnitude(e)
    return _close(a.real, e.real, tolerance, magnitude=magnitude)


def _magnitude(number: complex) -> float:
    """``abs`` as a float; inf where that overflows."""
    try:
        return float(abs(number))
    except OverflowError:
        return math.inf


def _close(a: float, e: float, tolerance: float, magnitude: float) -> bool:
    if a == e or (a != a and e != e):
        return True
    try:
        gap = abs(float(a) - float(e))
    except OverflowError:
        return False
    if not math.isfinite(gap) or not math.isfinite(magnitude):
        return False
    return gap <= tolerance * max(1.0, magnitude)


def _sequence_apart(
    a: Sequence[Any], e: Sequence[Any], rules: Rules, path: str, depth: int
) -> str | None:
    for position, (x, y) in enumerate(zip(a, e, strict=False)):
        if x is y:
            continue
        kind = type(y)
        if kind is type(x) and (kind is int or kind is str) and x == y:
            continue  # the common case, without a call
        if apart := _apart(x, y, rules, f"{path}[{position}]", depth - 1):
            return apart
    if len(a) != len(e):
        return f"{_at(path)}expected {len(e)} items, got {len(a)}"
    return None


def _dict_apart(
    a: dict[Any, Any], e: dict[Any, Any], rules: Rules, path: str, depth: int
) -> str | None:
    if len(a) != len(e):
        return f"{_at(path)}expected {len(e)} keys, got {len(a)}"
    if rules.json_keys and _all_keys(a, int) and _all_keys(e, str):
        a = {literal(key): value for key, value in a.items()}
    marked_keys = [_key(key) for key in a]
    collide = too_many_collisions(marked_keys)
    exact_keys = {} if collide else dict(zip(marked_keys, a, strict=True))
    if len(exact_keys) < len(a):  # or several nan
        return _multiset_apart(list(a.items()), list(e.items()), rules, path, depth)
    for key, value in e.items():
        marked = _key(key)
        if marked not in exact_keys:
            return f"{_at(path)}the key {literal(key, _SHOWN)} is missing"
        inner = f"{path}[{literal(key, 40)}]"
        if apart := _apart(a[exact_keys[marked]], value, rules, inner, depth - 1):
            return apart
    return None


def _all_keys(x: dict[Any, Any], kind: type) -> bool:
    return all(type(key) is kind for key in x)


def _key(key: Any) -> tuple[Any, ...]:
    """A form of a dict key that tells ``True`` from ``1`` and lets ``nan`` equal ``nan``."""
    return _order(key, Rules(), _MAX_DEPTH)


# --- multisets --------------------------------------------------------------------------


def _multiset_apart(
    a: Sequence[Any], e: Sequence[Any], rules: Rules, path: str, depth: int
) -> str | None:
    """Compare two collections of one length, whatever their order."""
    got = sorted(a, key=lambda item: _order(item, rules, depth))
    wanted = sorted(e, key=lambda item: _order(item, rules, depth))
    unmatched = [
        (x, y)
        for x, y in zip(got, wanted, strict=True)
        if _apart(x, y, rules, "", depth - 1) is not None
    ]
    if not unmatched:
        return None
    missing = unmatched[0][1]
    if len(unmatched) <= _MAX_REMATCHED:
        rest = [x for x, _ in unmatched]
        for _, missing in unmatched:
            partner = _partner(missing, rest, rules, depth)
            if partner is None:
                break
            del rest[partner]
        else:
            return None
    return f"{_at(path)}the item {literal(missing, _SHOWN)} is missing"


def _partner(item: Any, candidates: list[Any], rules: Rules, depth: int) -> int | None:
    for position, candidate in enumerate(candidates):
        if _apart(candidate, item, rules, "", depth - 1) is None:
            return position
    return None


def _order(x: Any, rules: Rules, depth: int) -> tuple[Any, ...]:
    """A sort key that puts any two plain values in order, kinds apart; equal values get equal
    keys, an int and the float it equals included."""
    kind = type(x)
    if depth <= 0:
        return (0,)
    if x is None or kind is bool:
        return (1, x is not None, bool(x))
    if kind is int or kind is float or kind is complex:
        return _number_order(x)
    if kind is str:
        return (4, x)
    if kind is bytes:
        return (5, x)
    if kind is list or kind is tuple:
        rank = 6 if rules.loose_sequences or kind is list else 7
        return (rank, *[_order(item, rules, depth - 1) for item in x])
    if kind is dict:
        if rules.json_keys and _all_keys(x, int):  # as ``_dict_apart`` has them
            x = {literal(key): value for key, value in x.items()}
        pairs = [(_order(k, rules, depth - 1), _order(v, rules, depth - 1)) for k, v in x.items()]
        return (8, *sorted(pairs))
    if kind is set or kind is frozenset:
        rank = 9 if kind is set else 10
        return (rank, *sorted(_order(item, rules, depth - 1) for item in x))
    return (11, kind.__name__)


def _number_order(x: complex) -> tuple[Any, ...]:
    if x != x:
        return (3,)
    return (2, x.real, x.imag)


# --- words ------------------------------------------------------------------------------


def _at(path: str) -> str:
    if len(path) > 120:
        path = path[:120] + "…"
    return f"at {path}: " if path else ""


def _differs(a: Any, e: Any, path: str) -> str:
    return f"{_at(path)}expected {literal(e, _SHOWN)}, got {literal(a, _SHOWN)}"


def _named(x: Any) -> str:
    return f"{type(x).__name__} {literal(x, _SHOWN)}" if x is not None else "None"
