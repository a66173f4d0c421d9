"""The text of what holds nothing else: value, budget of characters → text."""

from builtins import (
    NotImplemented,
    ValueError,
    bool,
    bytearray,
    bytes,
    complex,
    float,
    frozenset,
    hex,
    id,
    int,
    map,
    max,
    range,
    slice,
    str,
    type,
)
from datetime import date, timedelta
from decimal import Decimal
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

_PLAIN_INT_BITS = 10_000
_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
ATOMS = frozenset(map(id, _ATOMS))
"""Ids of the exact types whose values never change: an identical one needs no second look."""

CONSTANTS = ATOMS | frozenset(
    map(id, (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, range))
)
"""Ids of the exact types whose texts practically never change."""


def int_text(value, limit):
    bits = int.bit_length(value)
    if bits <= _PLAIN_INT_BITS:
        try:
            return int.__repr__(value)
        except ValueError:  # the program lowered sys.set_int_max_str_digits
            pass
    excess = max(0, bits - 4 * max(limit, 8)) // 4 * 4
    sign = "-" if int.__lt__(value, 0) else ""
    return sign + hex(int.__rshift__(int.__abs__(value), excess))


def _float(value, limit):
    text = float.__repr__(value)
    return text if text[-1:].isdigit() else f"float('{text}')"


def _text_of(kind):
    def text(value, limit):
        limit = max(limit, 0)
        return kind.__repr__(kind.__getitem__(value, slice(0, limit + 1)))

    return text


def _repr_of(kind):
    represent = kind.__repr__
    return lambda value, limit: represent(value)


SCALARS = {id(kind): _repr_of(kind) for kind in _ATOMS}
SCALARS |= {id(kind): _text_of(kind) for kind in (str, bytes, bytearray)}
SCALARS |= {id(int): int_text, id(float): _float}
"""Id of a type → what writes its values, and what a subclass inherits of it."""


def _represented(kind):
    """What a subclass inherits of these would call its methods."""
    represent = kind.__str__
    return lambda value, limit: f"<{kind.__name__} {represent(value)}>"


EXACT = {id(kind): _represented(kind) for kind in (Decimal, date, timedelta)}
"""As ``SCALARS``, for an exact type only."""
