"""Whether code is sure to run on the host, told from its syntax: what waits for an answer is not
tried before the answer is there, and then it is too late to let the sandbox run it.
"""

import ast
from collections.abc import Callable
from typing import Any

from executor_api.judge import functions, methods

__all__ = ["is_certain", "passes_on"]


def is_certain(node: ast.AST) -> bool:
    """Whether the host does what ``node`` says, if it knows nodes of this kind at all."""
    check = _CHECKS.get(type(node))
    return check is None or check(node)


def passes_on(tree: ast.AST, names: set[str]) -> bool:
    """Whether a function of ``names``, or of those that ``tree`` defines, is used otherwise than
    called: no builtin takes it."""
    nodes = list(ast.walk(tree))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = names | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return any(
        isinstance(node, ast.Name) and node.id in names and id(node) not in called for node in nodes
    )


def _attribute(node: ast.Attribute) -> bool:
    return methods.is_listed(node.attr) or functions.is_member(node.attr)


def _call(node: ast.Call) -> bool:
    sorts = isinstance(node.func, ast.Attribute) and node.func.attr == "sort"
    return not sorts or all(keyword.arg == "reverse" for keyword in node.keywords)


def _compare(node: ast.Compare) -> bool:
    operands = [node.left, *node.comparators]
    pairs = zip(node.ops, operands, operands[1:], strict=False)
    return all(
        any(map(_is_unique, pair)) for op, *pair in pairs if isinstance(op, ast.Is | ast.IsNot)
    )


def _is_unique(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, bool)
    return isinstance(node, ast.Name) and isinstance(functions.BUILTINS.get(node.id), type)


def _constant(node: ast.Constant) -> bool:
    return node.value is not Ellipsis


def _dict(node: ast.Dict) -> bool:
    return None not in node.keys


def _formatted(node: ast.FormattedValue) -> bool:
    return node.format_spec is None and node.conversion <= 0


def _function(node: ast.FunctionDef) -> bool:
    arguments = node.args
    others = (*node.decorator_list, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
    return not any(others)


def _lambda(node: ast.Lambda) -> bool:
    arguments = node.args
    return len(list(ast.walk(arguments))) == 1 + len(arguments.args)


def _modulo(node: ast.BinOp) -> bool:
    text = isinstance(node.left, ast.JoinedStr) or (
        isinstance(node.left, ast.Constant) and isinstance(node.left.value, str | bytes)
    )
    return not (text and isinstance(node.op, ast.Mod))


_CHECKS: dict[type[ast.AST], Callable[[Any], bool]] = {
    ast.Attribute: _attribute,
    ast.BinOp: _modulo,
    ast.Call: _call,
    ast.Compare: _compare,
    ast.Constant: _constant,
    ast.Dict: _dict,
    ast.FormattedValue: _formatted,
    ast.FunctionDef: _function,
    ast.Lambda: _lambda,
}
