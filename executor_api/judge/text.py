"""Checkers of standard output. Each is linear in the text; none stops at the shorter side.

``exact``            trailing white space ignored, of each line and at the end
``tokens``           split on white space; see ``_same_token`` for numbers
``lines``            white space around each line and blank lines ignored
``unordered_lines``  the same, as a multiset
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import zip_longest
from typing import Literal

__all__ = ["TextChecker", "difference"]

TextChecker = Literal["exact", "tokens", "lines", "unordered_lines"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE = {"nan", "inf", "infinity"}
_LONGEST_NUMBER = 400
_SHOWN = 80


def difference(
    actual: str, expected: str, checker: TextChecker = "tokens", tolerance: float = 1e-6
) -> str | None:
    """Return a sentence on the first difference, or None where the texts agree."""
    if actual == expected:
        return None
    if checker == "tokens":
        return _tokens(actual, expected, tolerance)
    return _OTHERS[checker](actual, expected)


# --- tokens -----------------------------------------------------------------------------


def _tokens(actual: str, expected: str, tolerance: float) -> str | None:
    got, wanted = actual.split(), expected.split()
    if got == wanted:
        return None
    for position, (g, w) in enumerate(zip(got, wanted, strict=False)):
        if g != w and not _same_token(g, w, tolerance):
            where = f"token {position + 1}, line {_line_of_token(actual, position)}"
            return f"{where}: expected {_show(w)}, got {_show(g)}"
    if len(got) == len(wanted):
        return None
    extra, side = (got, "unexpected") if len(got) > len(wanted) else (wanted, "missing")
    shorter = min(len(got), len(wanted))
    counts = f"expected {len(wanted)} tokens, got {len(got)}"
    return f"{counts}; the first {side} one is {_show(extra[shorter])}"


def _same_token(actual: str, expected: str, tolerance: float) -> bool:
    """Tolerance only where the expected token is written as a float (``1.50``, ``2e9``, ``inf``).

    Everything else is compared as text: ``007`` is not ``7``, nor ``3.0`` an expected ``3``,
    since a leading zero is as often part of an answer (binary digits) as an accident.
    """
    wanted = _number(expected)
    if wanted is None or expected.lstrip("+-").isdecimal():
        return False
    got = _number(actual)
    return got is not None and _close(got, wanted, tolerance)


def _number(token: str) -> float | None:
    if token.lstrip("+-").lower() in _NOT_FINITE:
        sign = -1.0 if token.startswith("-") else 1.0
        return math.nan if token.lower().endswith("nan") else sign * math.inf
    if len(token) > _LONGEST_NUMBER or not _NUMBER.fullmatch(token):
        return None
    return float(token)


def _close(got: float, wanted: float, tolerance: float) -> bool:
    if got == wanted or (math.isnan(got) and math.isnan(wanted)):
        return True
    if not (math.isfinite(got) and math.isfinite(wanted)):
        return False
    return abs(got - wanted) <= tolerance * max(1.0, abs(wanted))


def _line_of_token(text: str, position: int) -> int:
    for number, line in enumerate(text.split("\n"), start=1):
        position -= len(line.split())
        if position < 0:
            return number
    return number


# --- lines ------------------------------------------------------------------------------


def _exact(actual: str, expected: str) -> str | None:
    return _first_line_apart(_rstripped(actual), _rstripped(expected))


def _rstripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _lines(actual: str, expected: str) -> str | None:
    return _first_line_apart(_stripped(actual), _stripped(expected))


def _stripped(text: str) -> list[str]:
    return [stripped for line in text.split("\n") if (stripped := line.strip())]


def _first_line_apart(got: list[str], wanted: list[str]) -> str | None:
    for number, (g, w) in enumerate(zip_longest(got, wanted), start=1):
        if g == w:
            continue
        if g is None:
            return f"line {number} is missing: expected {_show(w)}"
        if w is None:
            return f"line {number} is one too many: got {_show(g)}"
        return f"line {number}: expected {_show(w)}, got {_show(g)}"
    return None


def _unordered_lines(actual: str, expected: str) -> str | None:
    got, wanted = Counter(_stripped(actual)), Counter(_stripped(expected))
    if got == wanted:
        return None
    for line in wanted - got:
        return f"a line is missing: expected {_show(line)}"
    extra = next(iter(got - wanted))
    return f"one line too many: got {_show(extra)}"


_OTHERS: dict[TextChecker, Callable[[str, str], str | None]] = {
    "exact": _exact,
    "lines": _lines,
    "unordered_lines": _unordered_lines,
}


def _show(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
