"""What the syntax of test code tells by itself: what a call is given, and which names it takes
from where.
"""

import ast
from collections.abc import Iterator

__all__ = ["PROGRAMS", "arguments_of", "free_names", "root"]

PROGRAMS = "<program>"
"""Among free names: whichever of the program's."""

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_OPAQUE = (ast.AsyncFunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal)
"""Their rules for names are others; test code with them is for the sandbox."""


def arguments_of(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def root(node: ast.expr) -> str:
    """Return the name that a chain of attributes, calls and items starts from, or ``""``."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def free_names(node: ast.AST) -> set[str]:
    """Return the names that ``node`` takes from around it. What a function, a lambda or a
    comprehension within it binds, it binds for itself alone."""
    scopes = [_Scope([node])]
    for scope in scopes:  # grows as it goes: test code may be nested deeper than Python recurses
        scopes.extend(scope.read())
    for scope in reversed(scopes):
        if scope.outer is not None:
            scope.outer.used |= scope.used - scope.bound
    return scopes[0].used - scopes[0].bound


class _Scope:
    """The names of one scope: those it uses, and those it binds."""

    def __init__(self, nodes: list[ast.AST], outer: "_Scope | None" = None) -> None:
        self.used: set[str] = set()
        self.bound: set[str] = set()
        self.outer = outer
        self._nodes = nodes

    def read(self) -> Iterator["_Scope"]:
        """Note the names; yield the scopes within."""
        while self._nodes:
            node = self._nodes.pop()
            self._note(node)
            own, inner = _parts(node)
            self._nodes.extend(own)
            if inner:
                yield _Scope(inner, self)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            (self.bound if isinstance(node.ctx, ast.Store) else self.used).add(node.id)
        elif isinstance(node, ast.arg):
            self.bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef):
            self.bound.add(node.name)
        elif isinstance(node, ast.alias):
            self.bound.add(node.asname or node.name)
        elif isinstance(node, _OPAQUE) or getattr(node, "module", "") == "solution":
            self.used.add(PROGRAMS)


def _parts(node: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """Return what is below ``node``: in the scope around it, and in one of its own."""
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        return _function_parts(node)
    if isinstance(node, _COMPREHENSIONS):
        first = node.generators[0].iter
        parts = [p for part in (node, *node.generators) for p in ast.iter_child_nodes(part)]
        return [first], [p for p in parts if p not in (first, *node.generators)]
    annotation = getattr(node, "annotation", None)  # which nobody evaluates
    return [p for p in ast.iter_child_nodes(node) if p is not annotation], []


def _function_parts(node: ast.FunctionDef | ast.Lambda) -> tuple[list[ast.AST], list[ast.AST]]:
    parameters = [x for x in ast.iter_child_nodes(node.args) if isinstance(x, ast.arg)]
    defaults = [x for x in ast.iter_child_nodes(node.args) if not isinstance(x, ast.arg)]
    if isinstance(node, ast.Lambda):
        return defaults, [*parameters, node.body]
    return [*defaults, *node.decorator_list], [*parameters, *node.body]
