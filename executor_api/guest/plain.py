"""The most frequent containers, several times as fast: all items of one plain type."""

from builtins import (
    all,
    bool,
    dict,
    float,
    id,
    int,
    len,
    list,
    map,
    max,
    min,
    str,
    sum,
    tuple,
    type,
    zip,
)
from itertools import repeat
from math import isfinite
from operator import is_

from texts import MARK, Cut

_BOUND = 10**15  # of short ints
_ROOM = 1000  # characters of strings that are short together


def _alike(items):
    """Whether ``repr`` may write the items: of one exact type, and short."""
    if not items:
        return True
    kind = type(items[0])
    if not all(map(is_, map(type, items), repeat(kind))):
        return False
    if kind is int:
        return min(items) > -_BOUND and max(items) < _BOUND
    if kind is str:
        return sum(map(len, items)) <= _ROOM
    return kind is bool or (kind is float and all(map(isfinite, items)))


def _plain(kind):
    return lambda value: kind.__repr__(value) if _alike(value) else None


def _plain_dict(value):
    if _alike(list(value)) and _alike(list(value.values())):
        return dict.__repr__(value)
    return None


def plain_head(kind, head, most):
    """The text of a longer container by its first items (a dict's keys, then its values)."""
    if kind is dict:
        keys, values = head[:most], head[most:]
        if not (_alike(keys) and _alike(values)):
            return None
        return Cut(f"{dict.__repr__(dict(zip(keys, values, strict=True)))[:-1]}, {MARK}}}")
    if not _alike(head):
        return None
    opening, closing = "[]" if kind is list else "()"
    return Cut(f"{opening}{list.__repr__(head)[1:-1]}, {MARK}{closing}")


PLAIN = {id(kind): _plain(kind) for kind in (list, tuple)} | {id(dict): _plain_dict}
"""Id of a type → what gives the text of a value, or None where its items are not alike."""
