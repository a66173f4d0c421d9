"""The methods of plain values that test code may call: a closed list for each type."""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

from executor_api.judge import bounds, functions
from executor_api.judge.bounds import Unsupported

__all__ = ["call", "is_listed", "is_pure"]

_SET = "copy difference intersection isdisjoint issubset issuperset symmetric_difference union"
_PURE: dict[type, frozenset[str]] = {
    kind: frozenset(names.split())
    for kind, names in {
        str: "capitalize casefold count endswith find index isalnum isalpha isdecimal isdigit "
        "islower isnumeric isspace istitle isupper join lower lstrip partition removeprefix "
        "removesuffix replace rfind rindex rpartition rsplit rstrip split splitlines startswith "
        "strip swapcase title upper encode",
        bytes: "count decode endswith find index lower startswith strip upper",
        list: "copy count index",
        tuple: "count index",
        dict: "copy get items keys values",
        Counter: "copy get items keys values",
        set: _SET,
        frozenset: _SET,
        int: "bit_count bit_length conjugate",
        float: "conjugate is_integer",
    }.items()
}
_MUTATORS: dict[type, frozenset[str]] = {
    list: frozenset({"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"}),
    dict: frozenset({"clear", "pop", "setdefault", "update"}),
    set: frozenset({"add", "clear", "discard", "pop", "remove", "update"}),
    random.Random: functions.RANDOM,
}
_ANY_PURE = frozenset().union(*_PURE.values())


def is_pure(name: str) -> bool:
    """Whether ``name`` is a listed method, of any type, that changes nothing."""
    return name in _ANY_PURE


def is_listed(name: str) -> bool:
    """Whether ``name`` is a method that test code may call, of any type."""
    return any(name in names for names in (_ANY_PURE, *_MUTATORS.values()))


def call(owner: Any, name: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """Call a listed method of a plain value."""
    kind = type(owner)
    if name not in _PURE.get(kind, ()) and name not in _MUTATORS.get(kind, ()):
        if is_pure(name):
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
        raise Unsupported(f"the method {name}")
    if name == "replace" and len(arguments) >= 2:
        bounds.check_length((len(owner) + 1) * (1 + len(arguments[1])))
    if name == "join" and len(arguments) == 1:
        bounds.check_length(len(owner) * len(list(arguments[0])))
    if kind is random.Random:
        return functions.call(getattr(owner, name), arguments, keywords)
    if kind in (set, frozenset):
        for items in arguments:
            bounds.refuse_collisions(list(items) if isinstance(items, Iterable) else [])
    if kind is dict and name == "update" and arguments:
        arguments = [functions.plain_dict(arguments[0]), *arguments[1:]]
    if name == "sort" and keywords.keys() - {"reverse"}:
        raise Unsupported("sort with a key")
    return getattr(owner, name)(*arguments, **keywords)
