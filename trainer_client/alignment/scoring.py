"""Rewards of the alignment task: pure functions of answers given and answers right.

Values are the text of Python literals (of JSON, in loose comparison). ``None`` as prediction
means that the completion had no answer that could be read.
"""

import ast
import json
from collections.abc import Mapping
from math import isclose
from typing import Any

__all__ = ["exact_fraction", "loose_equal", "paper_reward", "strict_equal"]


def exact_fraction(given: Mapping[str, str] | None, answers: Mapping[str, str]) -> float:
    """(1 / |V|) Σ 1[v̂ = v], the paper's alignment reward, with strict, typed equality."""
    if not given or not answers:
        return 0.0
    right = sum(strict_equal(given[k], v) for k, v in answers.items() if k in given)
    return right / len(answers)


def paper_reward(given: Mapping[str, str] | None, answers: Mapping[str, str]) -> float:
    """0 without a readable answer, else 0.1 + 0.9 · correct / (1 + |V|), loosely compared.

    ``answers`` has |V| variables and standard output, hence 1 + |V| items, as in the authors'
    released code.
    """
    if given is None:
        return 0.0
    right = sum(loose_equal(given[k], v) for k, v in answers.items() if k in given)
    return 0.1 + 0.9 * right / max(1, len(answers))


def strict_equal(given: str, right: str) -> bool:
    """Whether two literals are the same value of the same type: ``1`` is neither ``1.0`` nor
    ``True``, and the types inside containers count too. Text that is no literal equals nothing."""
    try:
        return _same(ast.literal_eval(given.strip()), ast.literal_eval(right))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def _same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return _keyed(a) == _keyed(b) and all(_same(v, b[k]) for k, v in a.items())
    if isinstance(a, set):
        return _keyed(a) == _keyed(b)
    return bool(a == b)


def _keyed(items: Any) -> set[tuple[str, Any]]:
    return {(repr(type(x)) if not isinstance(x, tuple) else repr(x), x) for x in items}


def loose_equal(given: str, right: str) -> bool:
    """Equality as the released code has it: ``True``, ``1`` and ``"true"`` are one value, text
    is compared without surrounding white space and case, a list equals a tuple."""
    return _loose(_read(given), _read(right))


def _read(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return text


def _loose(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_loose, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        left, right = ({str(k): v for k, v in x.items()} for x in (a, b))
        return left.keys() == right.keys() and all(_loose(v, right[k]) for k, v in left.items())
    if isinstance(a, set) or isinstance(b, set):
        collections = isinstance(a, list | set) and isinstance(b, list | set)
        return collections and sorted(map(str, a)) == sorted(map(str, b))
    if isinstance(a, str) and isinstance(b, str) and a.strip().lower() == b.strip().lower():
        return True  # also "nan", which as a number does not equal itself
    x, y = _scalar(a), _scalar(b)
    if isinstance(x, float) and isinstance(y, float):
        return isclose(x, y, rel_tol=1e-9, abs_tol=1e-9)
    return bool(x == y)


def _scalar(value: Any) -> Any:
    """Booleans and numbers, or text that spells one, as a float; other text lower-case."""
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            return value
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if text in ("true", "false"):
        return float(text == "true")
    try:
        return float(text)
    except ValueError:
        return text
