"""What test code may do on the host: a closed list of pure builtins, methods and operators.

Every operation is bounded before it starts, so that neither a hostile test nor a hostile value
can hang or exhaust the host. Nothing here looks up an attribute by a name that is not listed.
"""

import copy
import math
import operator
import random
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from executor_api.judge.collisions import too_many_collisions

__all__ = [
    "BUILTINS",
    "HostFunction",
    "ITERATED",
    "ITERATING",
    "ITERATING_METHODS",
    "MATERIALIZERS",
    "MODULES",
    "Module",
    "VIEWS",
    "TooLarge",
    "Unsupported",
    "binary",
    "call",
    "compare",
    "is_callable",
    "is_listed",
    "is_pure_method",
    "method",
    "module",
    "plain_set",
    "refuse_collisions",
    "size",
    "unary",
]

MAX_BITS = 100_000
MAX_SIZE = 1_000_000

VIEWS = frozenset({"items", "keys", "values"})
"""Methods whose result is not plain data, so that the host must call them."""

MATERIALIZERS = frozenset({"list", "tuple", "set", "sorted"})
"""Builtins that the guest can apply to what a call returned, iterators included."""

ITERATED = "iterated"
"""Instead of one of these: the guest lists what is not plain and can be iterated."""
ITERATING = frozenset(
    ["all", "any", "dict", "enumerate", "filter", "frozenset", "map", "max", "min", "sum", "zip"]
)
"""Builtins that do nothing with such an argument but iterate."""
ITERATING_METHODS = frozenset({"extend", "issubset", "issuperset", "join", "union", "update"})


class Unsupported(Exception):
    """The test code does something that the host does not do itself."""


class TooLarge(Unsupported):
    """An operation beyond the host's bounds."""


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


# --- size -------------------------------------------------------------------------------

_CONTAINERS = (list, tuple, set, frozenset, dict, Counter)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


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


def _bounded_length(length: int) -> None:
    if length > MAX_SIZE:
        raise TooLarge("a result too large to check")


def refuse_collisions(items: Sequence[Any]) -> None:
    """Refuse many different items of one hash: they make a set or dict quadratic."""
    if too_many_collisions(items):
        raise TooLarge("items chosen to have the same hash")


# --- operators --------------------------------------------------------------------------

_SIZED = (str, bytes, list, tuple)


def _multiply(a: Any, b: Any) -> Any:
    if type(a) in _SIZED and isinstance(b, int):
        _bounded_length(len(a) * b)
    elif type(b) in _SIZED and isinstance(a, int):
        _bounded_length(len(b) * a)
    elif isinstance(a, int) and isinstance(b, int):
        _bounded_bits(a.bit_length() + b.bit_length())
    return a * b


def _bounded_bits(bits: int) -> None:
    if bits > MAX_BITS:
        raise TooLarge("a number too large to check")


def _power(a: Any, b: Any, modulus: Any = None) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        _bounded_bits(a.bit_length() * (abs(b) if modulus is None else 1))
    if modulus is None:
        return a**b
    _bounded_bits(8 * max(x.bit_length() for x in (a, b, modulus)))
    return pow(a, b, modulus)


def _shift_left(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        _bounded_bits(a.bit_length() + max(b, 0))
    return a << b


def _modulo(a: Any, b: Any) -> Any:
    if type(a) in (str, bytes):
        raise Unsupported("string formatting with %")
    return a % b


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": _multiply,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": _modulo,
    "Pow": _power,
    "LShift": _shift_left,
    "RShift": operator.rshift,
    "BitOr": operator.or_,
    "BitAnd": operator.and_,
    "BitXor": operator.xor,
}
_UNARY: dict[str, Callable[[Any], Any]] = {
    "Not": operator.not_,
    "USub": operator.neg,
    "UAdd": operator.pos,
    "Invert": operator.invert,
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Is": operator.is_,
    "IsNot": operator.is_not,
    "In": lambda a, b: a in b,
    "NotIn": lambda a, b: a not in b,
}


def binary(name: str, a: Any, b: Any) -> Any:
    if name not in _BINARY:
        raise Unsupported(f"the operator {name}")
    _bounded_ints((a, b))
    return _BINARY[name](a, b)


def _bounded_ints(operands: Iterable[Any]) -> None:
    for operand in operands:
        if type(operand) is int:
            _bounded_bits(operand.bit_length())


def unary(name: str, a: Any) -> Any:
    return _UNARY[name](a)


def compare(name: str, a: Any, b: Any) -> bool:
    """Python's comparison of plain data: exact, with no tolerance for floats."""
    return _COMPARE[name](a, b)


# --- builtins ---------------------------------------------------------------------------


def _checked_range(*bounds: Any) -> range:
    result = range(*bounds)
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


def plain_set(items: Iterable[Any] = ()) -> set[Any]:
    found = list(items)
    refuse_collisions(found)
    return set(found)


def _plain_frozenset(items: Iterable[Any] = ()) -> frozenset[Any]:
    return frozenset(plain_set(items))


def _dict(items: Any = (), /, **more: Any) -> dict[Any, Any]:
    pairs = list(items.items() if isinstance(items, dict) else items)
    refuse_collisions([key for key, _ in pairs])
    return dict(pairs, **more)


def _counter(items: Iterable[Any] = ()) -> Counter[Any]:
    if not isinstance(items, dict):
        items = list(items)
        refuse_collisions(items)
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
    dict: _dict,
    float: float,
    frozenset: _plain_frozenset,
    Counter: _counter,
    int: int,
    list: list,
    set: plain_set,
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
    "pow": _power,
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
        return value.__name__ in _RANDOM.split()
    return callable(value) and value in _ALLOWED


def _callable(value: Any) -> Callable[..., Any]:
    return _CONSTRUCT.get(value, value) if isinstance(value, type) else value


def call(function: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """Call an allowed function or type, on arguments whose sizes the caller has bounded."""
    if not is_callable(function):
        raise Unsupported("calling such a value")
    _bounded_ints((*arguments, *keywords.values()))
    if isinstance(getattr(function, "__self__", None), random.Random):
        _bounded_draws(keywords)
    _check_seeded(function, [*arguments, *keywords.values()])
    return _callable(function)(*arguments, **keywords)


def _check_seeded(function: Any, given: list[Any]) -> None:
    """Test code runs twice and has to draw the same both times."""
    method = getattr(function, "__name__", "") == "seed" and hasattr(function, "__self__")
    if (function is random.Random or method) and (not given or given[0] is None):
        raise Unsupported("randomness without a seed")


def _bounded_draws(keywords: dict[str, Any]) -> None:
    """``random.choices(…, k=10**10)``; a sample is never larger than what it is taken from."""
    if isinstance(draws := keywords.get("k"), int):
        _bounded_length(draws)


# --- modules ----------------------------------------------------------------------------

_MATH = (
    "ceil copysign cos degrees e exp fabs floor fmod fsum gcd hypot inf isclose isfinite isinf "
    "isnan isqrt log log10 log2 nan pi pow radians sin sqrt tan tau trunc"
)
_STRING = "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits punctuation whitespace"
_RANDOM = "choice choices gauss randint random randrange sample seed shuffle uniform"


def _factorial(n: int) -> int:
    if isinstance(n, int) and n > 2000:
        raise TooLarge("such a factorial")
    return math.factorial(n)


def _lcm(*numbers: int) -> int:
    _bounded_bits(sum(n.bit_length() for n in numbers if isinstance(n, int)))
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


_ALLOWED = frozenset(
    [
        *_FUNCTIONS.values(),
        *(x for x in _MATH_MEMBERS.values() if callable(x)),
        copy.copy,
        copy.deepcopy,
    ]
)

# --- methods ----------------------------------------------------------------------------

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
        random.Random: _RANDOM,
    }.items()
}
_MUTATORS: dict[type, frozenset[str]] = {
    list: frozenset({"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"}),
    dict: frozenset({"clear", "pop", "setdefault", "update"}),
    set: frozenset({"add", "clear", "discard", "pop", "remove", "update"}),
}
_ANY_PURE = frozenset().union(*(_PURE[kind] for kind in _PURE if kind is not random.Random))


def is_pure_method(name: str) -> bool:
    """Whether ``name`` is a listed method, of any type, that changes nothing."""
    return name in _ANY_PURE


def is_listed(name: str) -> bool:
    """Whether ``name`` is a method or a module's member, of any that test code may use."""
    methods = (*_PURE.values(), *_MUTATORS.values())
    return any(name in names for names in (*methods, *_FIXED_MODULES.values()))


def method(owner: Any, name: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """Call a listed method of a plain value."""
    kind = type(owner)
    if name not in _PURE.get(kind, ()) and name not in _MUTATORS.get(kind, ()):
        if is_pure_method(name):
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
        raise Unsupported(f"the method {name}")
    if name == "replace" and len(arguments) >= 2:
        _bounded_length((len(owner) + 1) * (1 + len(arguments[1])))
    if name == "join" and len(arguments) == 1:
        _bounded_length(len(owner) * len(list(arguments[0])))
    if kind is random.Random:
        _bounded_draws(keywords)
    if kind in (set, frozenset):
        for items in arguments:
            refuse_collisions(list(items) if isinstance(items, Iterable) else [])
    if kind is dict and name == "update" and arguments:
        arguments = [_dict(arguments[0]), *arguments[1:]]
    if name == "sort" and keywords.keys() - {"reverse"}:
        raise Unsupported("sort with a key")
    return getattr(owner, name)(*arguments, **keywords)
