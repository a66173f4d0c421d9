"""Plain Python values as JSON, both ways across the sandbox boundary.

Scalars and lists travel as themselves, everything else as an object with one key:
``t`` tuple, ``s`` set, ``z`` frozenset, ``d`` dict (list of pairs), ``b`` bytes (latin-1),
``c`` complex, ``f`` a float JSON lacks (``nan``, ``inf``, ``-inf``), ``i`` an int of many
digits (hexadecimal).

Encoding looks at exact types only (``type(x) is list``, never ``isinstance``), so no code of
the program's runs here. A class of its own travels as the plain type that it derives from, as named
tuples do, where it changes nothing of that but how it is made and shown. Decoding accepts nothing
but the forms above: it is safe on hostile input, in time and memory linear in the size of the text.
"""

from builtins import (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    ValueError,
    bool,
    bytes,
    complex,
    dict,
    float,
    frozenset,
    hash,
    hex,
    id,
    int,
    len,
    list,
    map,
    object,
    repr,
    set,
    str,
    sum,
    tuple,
    type,
    zip,
)
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from math import inf, isfinite
from typing import Any

MAX_DEPTH = 100
MAX_ITEMS = 1_000_000
_SHORT_INT = 1 << 1024  # well below the 4,300 digits that int() and json refuse
_MAX_INT_BITS = 4_000_000
MOST_COMPARISONS = 64
"""Of an item, on average. A thousand powers of two have 61 hashes, and so 17."""
_DICTS = (dict, defaultdict, Counter, OrderedDict)
_SCALARS: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
}
_BASES = frozenset(map(id, (*_SCALARS, *_DICTS, list, tuple, set, frozenset)))
_MAKING = frozenset(
    (
        *("__class_getitem__", "__doc__", "__getnewargs__", "__init__", "__init_subclass__"),
        *("__new__", "__repr__"),
    )
)
_OF_ANY = frozenset((*object.__dict__, "__missing__"))
_resolution_order = type.__dict__["__mro__"].__get__
_members = type.__dict__["__dict__"].__get__


class NotPlain(ValueError):
    """The value, or something in it, is not plain data within bounds."""


def encode(value: Any, max_depth: int = MAX_DEPTH, max_items: int = MAX_ITEMS) -> Any:
    """Return the JSON form of ``value``; raise ``NotPlain`` where it has none."""
    budget = [max_items]
    return _encode(value, max_depth, budget)


def _encode(x: Any, depth: int, budget: list[int], kind: type | None = None) -> Any:
    if kind is None:
        kind = type(x)
    if x is None or kind is bool or kind is str:
        return x
    if kind is int:
        if -_SHORT_INT < x < _SHORT_INT:
            return x
        if x.bit_length() > _MAX_INT_BITS:
            raise NotPlain("an int of more than 4,000,000 bits")
        return {"i": hex(x)}
    if kind is float:
        return x if isfinite(x) else {"f": repr(x)}
    if depth <= 0:
        raise NotPlain("nested too deeply")
    if kind is list:
        return _items(x, list, depth, budget)
    if kind is tuple:
        return {"t": _items(x, tuple, depth, budget)}
    if kind is set or kind is frozenset:
        return {"s" if kind is set else "z": _items(x, kind, depth, budget)}
    if kind in _DICTS:
        _spend(budget, 2 * dict.__len__(x))
        pairs = list(dict.items(x))
        return {
            "d": [[_encode(k, depth - 1, budget), _encode(v, depth - 1, budget)] for k, v in pairs]
        }
    if kind is bytes:
        return {"b": x.decode("latin-1")}
    if kind is complex:
        return {"c": [_encode(x.real, 1, budget), _encode(x.imag, 1, budget)]}
    base = _derived_from(kind)
    if base in _SCALARS:
        return _encode(_SCALARS[base](x), depth, budget)
    return _encode(x, depth, budget, base)


def _derived_from(kind: type) -> type:
    """The plain type that a class adds to without overriding anything of it."""
    added: set[str] = set()
    ancestor: type
    for ancestor in _resolution_order(kind):
        if id(ancestor) in _BASES:  # the hash of a class may be the program's
            if not added & (_members(ancestor).keys() | _OF_ANY):
                return ancestor
            break
        added.update(_members(ancestor).keys() - _MAKING)
    raise NotPlain(f"a value of type {type.__dict__['__name__'].__get__(kind)}")


def _items(x: Any, kind: Any, depth: int, budget: list[int]) -> list[Any]:
    _spend(budget, kind.__len__(x))
    return [_encode(item, depth - 1, budget) for item in kind.__iter__(x)]


def _spend(budget: list[int], count: int) -> None:
    budget[0] -= count
    if budget[0] < 0:
        raise NotPlain("too many items")


def decode(form: Any) -> Any:
    """Return the value that ``form``, parsed JSON, stands for; raise ``NotPlain`` on any other."""
    try:
        return _decode(form, MAX_DEPTH + 1)
    except NotPlain:
        raise
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError, ValueError) as error:
        raise NotPlain(f"malformed value: {type(error).__name__}") from None


def _decode(form: Any, depth: int) -> Any:
    kind = type(form)
    if kind is not list and kind is not dict:
        return form
    if depth <= 0:
        raise NotPlain("nested too deeply")
    if kind is list:
        return [_decode(item, depth - 1) for item in form]
    if len(form) != 1:
        raise NotPlain("malformed value")
    ((tag, body),) = form.items()
    if tag == "d":
        keys = _spread([_decode(k, depth - 1) for k, _ in body])
        return dict(zip(keys, (_decode(v, depth - 1) for _, v in body), strict=True))
    if tag == "t":
        return tuple(_decode(item, depth - 1) for item in body)
    if tag in _SETS:
        return _SETS[tag](_spread([_decode(item, depth - 1) for item in body]))
    if tag == "b":
        return body.encode("latin-1")
    if tag == "c":
        return complex(_decode(body[0], 1), _decode(body[1], 1))
    if tag == "f":
        return {"nan": inf - inf, "inf": inf, "-inf": -inf}[body]
    if tag == "i":
        if len(body) > _MAX_INT_BITS:
            raise NotPlain("an int of too many digits")
        return int(body, 16)
    raise NotPlain("malformed value")


_SETS = {"s": set, "z": frozenset}


def comparisons(hashes: Iterable[int]) -> int:
    """What making a table of items with these hashes takes at the most."""
    return sum(count * count for count in Counter(hashes).values())


def _spread(items: list[Any]) -> list[Any]:
    """``items``, unless so many share a hash that a table of them would take quadratic time."""
    few = len(items) <= MOST_COMPARISONS
    if not few and comparisons(map(hash, items)) > MOST_COMPARISONS * len(items):
        raise NotPlain("too many items with one hash")
    return items
