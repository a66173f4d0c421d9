"""Python's operators on plain data, bounded."""

import operator
from collections.abc import Callable
from typing import Any

from executor_api.judge import bounds
from executor_api.judge.bounds import Unsupported

__all__ = ["binary", "compare", "power", "unary"]

_SIZED = (str, bytes, list, tuple)


def _multiply(a: Any, b: Any) -> Any:
    if type(a) in _SIZED and isinstance(b, int):
        bounds.check_length(len(a) * b)
    elif type(b) in _SIZED and isinstance(a, int):
        bounds.check_length(len(b) * a)
    elif isinstance(a, int) and isinstance(b, int):
        bounds.check_bits(a.bit_length() + b.bit_length())
    return a * b


def power(a: Any, b: Any, modulus: Any = None) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        bounds.check_bits(a.bit_length() * (abs(b) if modulus is None else 1))
    if modulus is None:
        return a**b
    bounds.check_bits(8 * max(x.bit_length() for x in (a, b, modulus)))
    return pow(a, b, modulus)


def _shift_left(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        bounds.check_bits(a.bit_length() + max(b, 0))
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
    "Pow": power,
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
    bounds.check_ints((a, b))
    return _BINARY[name](a, b)


def unary(name: str, a: Any) -> Any:
    return _UNARY[name](a)


def compare(name: str, a: Any, b: Any) -> bool:
    """Python's comparison of plain data: exact, with no tolerance for floats."""
    return _COMPARE[name](a, b)
