"""Whether code is sure to run on the host, told from its syntax: what waits for an answer is not
tried before the answer is there, and then it is too late to let the sandbox run it.
"""

import ast
from collections.abc import Callable
from typing import Any

from executor_api.judge import functions, methods

__all__ = ["is_certain", "only_calls"]


def is_certain(node: ast.AST) -> bool:
    """Whether the host does what ``node`` says, if it knows nodes of this kind at all."""
    check = _CHECKS.get(type(node))
    return check is None or check(node)


def only_calls(tree: ast.AST, names: set[str]) -> bool:
    """Whether methods in ``tree``, and the functions of ``names`` and of its own, are used for
    nothing but plain calls: no builtin takes one of these."""
    nodes = list(ast.walk(tree))
    calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
    defined = names | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return all(_is_plain(node, calls.get(id(node)), defined) for node in nodes)


def _is_plain(node: ast.AST, call: ast.Call | None, defined: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return call is not None or functions.is_member(node.attr)
    if not isinstance(node, ast.Name) or node.id not in defined:
        return True
    return (
        call is not None
        and not any(isinstance(argument, ast.Starred) for argument in call.args)
        and all(keyword.arg is not None for keyword in call.keywords)
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


def _augmented(node: ast.AugAssign) -> bool:
    return isinstance(node.target, ast.Name)


def _import(node: ast.Import) -> bool:
    return all(alias.name in functions.MODULES for alias in node.names)


def _import_from(node: ast.ImportFrom) -> bool:
    listed = all(functions.is_member(alias.name) for alias in node.names)
    return not node.level and node.module in functions.MODULES and listed


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
    ast.AugAssign: _augmented,
    ast.BinOp: _modulo,
    ast.Call: _call,
    ast.Compare: _compare,
    ast.Constant: _constant,
    ast.Dict: _dict,
    ast.FormattedValue: _formatted,
    ast.FunctionDef: _function,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Lambda: _lambda,
}
