"""What the syntax of test code tells by itself."""

import ast

__all__ = ["arguments_of", "root"]


def arguments_of(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def root(node: ast.expr) -> str:
    """Return the name that a chain of attributes, calls and items starts from, or ``""``."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
