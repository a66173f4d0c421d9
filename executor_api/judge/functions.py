"""The builtins and modules of test code: a closed list of pure functions and types. Nothing here
looks up an attribute by a name that is not listed.
"""

import copy
import math
import random
import string
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from executor_api.judge import bounds, operators
from executor_api.judge.bounds import TooLarge, Unsupported

__all__ = [
    "BUILTINS",
    "MODULES",
    "RANDOM",
    "HostFunction",
    "Module",
    "call",
    "is_callable",
    "is_member",
    "module",
    "plain_dict",
]


@dataclass(frozen=True, slots=True)
class Module:
    """The part of a module that test code may use."""

    name: str
    members: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostFunction:
    """A function of the test code's own that the host runs."""

    call: Callable[..., Any] = field(repr=False)

    def __call__(self, *arguments: Any) -> Any:
        return self.call(*arguments)


# --- builtins ---------------------------------------------------------------------------


def _checked_range(*ends: Any) -> range:
    result = range(*ends)
    if result and max(map(abs, (result[0], result[-1]))).bit_length() > 60:
        raise TooLarge("a range too large to check")
    return result


def _total(items: Iterable[Any], /, start: Any = 0) -> Any:
    kind = type(start)
    if kind not in (list, tuple):
        return sum(items, start)
    joined = list(start)  # linear, where Python's own sum is quadratic
    for item in items:
        if type(item) is not kind:
            raise TypeError(f"cannot add {type(item).__name__} to {kind.__name__}")
        joined.extend(item)
    return kind(joined)


def _type(value: Any) -> type:
    return type(value)


def _plain_set(items: Iterable[Any] = ()) -> set[Any]:
    found = list(items)
    bounds.refuse_collisions(found)
    return set(found)


def _plain_frozenset(items: Iterable[Any] = ()) -> frozenset[Any]:
    return frozenset(_plain_set(items))


def plain_dict(items: Any = (), /, **more: Any) -> dict[Any, Any]:
    pairs = list(items.items() if isinstance(items, dict) else items)
    bounds.refuse_collisions([key for key, _ in pairs])
    return dict(pairs, **more)


def _counter(items: Iterable[Any] = ()) -> Counter[Any]:
    if not isinstance(items, dict):
        items = list(items)
        bounds.refuse_collisions(items)
    return Counter(items)


def _print(*values: Any, **options: Any) -> None:
    """Output of test code goes nowhere."""


def _map(function: Any, *iterables: Any) -> list[Any]:
    if not is_callable(function):
        raise Unsupported("map over such a function")
    return list(map(_callable(function), *iterables))


def _filter(function: Any, items: Any) -> list[Any]:
    if function is not None and not is_callable(function):
        raise Unsupported("filter by such a function")
    return list(filter(None if function is None else _callable(function), items))


def _keyed(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, key: Any = None, **options: Any) -> Any:
        if key is None:
            return function(*arguments, **options)
        if not is_callable(key):
            raise Unsupported("such a key function")
        return function(*arguments, key=_callable(key), **options)

    return call


def _round(value: Any, digits: Any = None) -> Any:
    if isinstance(digits, int) and abs(digits) > 1000:
        raise TooLarge("rounding to so many digits")
    return round(value, digits) if digits is not None else round(value)


_TYPES: dict[str, type] = {
    t.__name__: t
    for t in (bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple)
}
_CONSTRUCT: dict[type, Callable[..., Any]] = {
    bool: bool,
    complex: complex,
    dict: plain_dict,
    float: float,
    frozenset: _plain_frozenset,
    Counter: _counter,
    int: int,
    list: list,
    set: _plain_set,
    str: str,
    tuple: tuple,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "all": all,
    "any": any,
    "bin": bin,
    "chr": chr,
    "divmod": divmod,
    "enumerate": lambda items, start=0: list(enumerate(items, start)),
    "filter": _filter,
    "hex": hex,
    "isinstance": isinstance,
    "len": len,
    "map": _map,
    "max": _keyed(max),
    "min": _keyed(min),
    "oct": oct,
    "ord": ord,
    "pow": operators.power,
    "print": _print,
    "range": _checked_range,
    "repr": repr,
    "reversed": lambda items: list(reversed(items)),
    "round": _round,
    "sorted": _keyed(sorted),
    "sum": _total,
    "type": _type,
    "zip": lambda *items, strict=False: list(zip(*items, strict=strict)),
}
BUILTINS: dict[str, Any] = {**_TYPES, **_FUNCTIONS, "__name__": "__main__"}


def is_callable(value: Any) -> bool:
    """Whether ``value`` is a function or type that the host may call on test code's behalf."""
    if isinstance(value, type):
        return value in _CONSTRUCT or value is random.Random
    if isinstance(value, HostFunction):
        return True
    if isinstance(getattr(value, "__self__", None), random.Random):
        return value.__name__ in RANDOM
    return callable(value) and value in _ALLOWED


def _callable(value: Any) -> Callable[..., Any]:
    return _CONSTRUCT.get(value, value) if isinstance(value, type) else value


def call(function: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """Call an allowed function or type, on arguments whose sizes the caller has bounded."""
    if not is_callable(function):
        raise Unsupported("calling such a value")
    bounds.check_ints((*arguments, *keywords.values()))
    if isinstance(getattr(function, "__self__", None), random.Random):
        _check_draws(keywords)
    _check_seeded(function, [*arguments, *keywords.values()])
    return _callable(function)(*arguments, **keywords)


def _check_seeded(function: Any, given: list[Any]) -> None:
    """Test code runs twice and has to draw the same both times."""
    method = getattr(function, "__name__", "") == "seed" and hasattr(function, "__self__")
    if (function is random.Random or method) and (not given or given[0] is None):
        raise Unsupported("randomness without a seed")


def _check_draws(keywords: dict[str, Any]) -> None:
    """``random.choices(…, k=10**10)``; a sample is never larger than what it is taken from."""
    if isinstance(draws := keywords.get("k"), int):
        bounds.check_length(draws)


# --- modules ----------------------------------------------------------------------------

_MATH = (
    "ceil copysign cos degrees e exp fabs floor fmod fsum gcd hypot inf isclose isfinite isinf "
    "isnan isqrt log log10 log2 nan pi pow radians sin sqrt tan tau trunc"
)
_STRING = "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits punctuation whitespace"
_RANDOM = "choice choices gauss randint random randrange sample seed shuffle uniform"
RANDOM = frozenset(_RANDOM.split())
"""The methods of a generator of random numbers."""


def _factorial(n: int) -> int:
    if isinstance(n, int) and n > 2000:
        raise TooLarge("such a factorial")
    return math.factorial(n)


def _lcm(*numbers: int) -> int:
    bounds.check_bits(sum(n.bit_length() for n in numbers if isinstance(n, int)))
    return math.lcm(*numbers)


def _members(module: Any, names: str) -> dict[str, Any]:
    return {name: getattr(module, name) for name in names.split()}


_MATH_MEMBERS = {**_members(math, _MATH), "factorial": _factorial, "lcm": _lcm}
_FIXED_MODULES: dict[str, dict[str, Any]] = {
    "collections": {"Counter": Counter},
    "copy": {"copy": copy.copy, "deepcopy": copy.deepcopy},
    "math": _MATH_MEMBERS,
    "string": _members(string, _STRING),
    "typing": {},
}
MODULES = frozenset({*_FIXED_MODULES, "random"})


def module(name: str, rng: random.Random) -> Module:
    """The listed part of module ``name``; ``random`` draws from ``rng``. Raise ``Unsupported``."""
    if name == "random":
        return Module(name, {**_members(rng, _RANDOM), "Random": random.Random})
    if name not in _FIXED_MODULES:
        raise Unsupported(f"the module {name}")
    return Module(name, _FIXED_MODULES[name])


def is_member(name: str) -> bool:
    """Whether ``name`` is listed in any module."""
    return name in RANDOM or any(name in members for members in _FIXED_MODULES.values())


_ALLOWED = frozenset(
    [
        *_FUNCTIONS.values(),
        *(x for x in _MATH_MEMBERS.values() if callable(x)),
        copy.copy,
        copy.deepcopy,
    ]
)
