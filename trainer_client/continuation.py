"""Completions that go on where a prompt ends: in the midst of a program."""

import ast
import re
from collections.abc import Sequence, Set

from executor_api.judge.literals import parse_python

__all__ = ["STOP", "asked_for", "before", "completed", "continued", "is_program"]

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""A function body ends before these: Chen et al. 2021, arXiv 2107.03374, section 2.1."""

_DEFINITION = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)


def asked_for(starter_code: str) -> frozenset[str]:
    """The last function or class that the starter code begins, if any; above it stand helpers."""
    return frozenset(_DEFINITION.findall(starter_code)[-1:])


def is_program(code: str, wanted: Set[str]) -> bool:
    """Whether it parses and defines any of what is wanted, if anything is."""
    tree = _parsed(code)
    return tree is not None and (not wanted or not wanted.isdisjoint(_defined(tree)))


def continued(starter_code: str, code: str, wanted: Set[str]) -> str | None:
    """The program where ``code`` goes on in the starter code; None where it stands alone."""
    if not starter_code or is_program(code, wanted):
        return None
    return completed(starter_code, code)


def completed(starter_code: str, code: str) -> str | None:
    """The starter code followed by ``code``, or by what stands before the first of ``STOP`` where
    only that parses; None where neither does."""
    for rest in (code, before(code, STOP)):
        if _parsed(starter_code + rest) is not None:
            return starter_code + rest
    return None


def before(text: str, stop: Sequence[str]) -> str:
    """The text up to the first of ``stop`` in it."""
    ends = [end for mark in stop if (end := text.find(mark)) >= 0]
    return text[: min(ends)] if ends else text


def _parsed(code: str) -> ast.Module | None:
    try:
        return parse_python(code)
    except SyntaxError:
        return None


def _defined(tree: ast.Module) -> set[str]:
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {node.name for node in tree.body if isinstance(node, definitions)}
