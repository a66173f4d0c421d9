"""Wrong versions of right programs: one deliberate fault each, the same every time."""

import ast
from collections.abc import Callable

Part = ast.FunctionDef | ast.Module
Mutation = Callable[[Part], bool]
"""Change the function that the tests call, or a program that reads and prints; False where there
is nothing to change."""

_COMPARISONS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def flip_operator(part: Part) -> bool:
    """Flip the first operator or comparison."""
    return _flip(part, _COMPARISONS | _OPERATORS)


def _swapped_comparison(part: Part) -> bool:
    return _flip(part, _COMPARISONS)


def _flip(part: Part, flips: dict[type[ast.AST], type[ast.AST]]) -> bool:
    for node in ast.walk(part):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in flips:
            node.ops[0] = flips[type(node.ops[0])]()  # type: ignore[call-overload]
        elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in flips:
            node.op = flips[type(node.op)]()  # type: ignore[assignment]
        else:
            continue
        return True
    return False


def _off_by_one(part: Part) -> bool:
    for node in ast.walk(part):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            node.value += 1
            return True
    return False


def _dropped_return(part: Part) -> bool:
    return _each_return(part, ast.Expr)


def _object_returned(part: Part) -> bool:
    answer = ast.parse("object()", mode="eval").body
    return _each_return(part, lambda value: ast.Return(answer))


def _each_return(part: Part, replacement: Callable[[ast.expr], ast.stmt]) -> bool:
    changed = False

    class Replace(ast.NodeTransformer):
        def visit_Return(self, node: ast.Return) -> ast.stmt:
            nonlocal changed
            changed = True
            return replacement(node.value or ast.Constant(None))

    Replace().visit(part)
    return changed


def _first(statement: str) -> Mutation:
    def mutate(part: Part) -> bool:
        part.body[:0] = ast.parse(statement).body
        return True

    return mutate


MUTATIONS: dict[str, Mutation] = {
    "swapped comparison": _swapped_comparison,
    "off by one": _off_by_one,
    "dropped return": _dropped_return,
    "object returned": _object_returned,
    "exception": _first("raise KeyError({1: 'mutant'}, 'é', b'\\x00')"),
    "exit": _first("import sys\nsys.exit(0)"),
    "killed": _first("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
    "printed": _first("import sys\nprint('mutant', 'é', file=sys.stderr)\nprint('\\x00\\u2028')"),
    "too much output": _first("print('mutant' * 1_000_000)"),
    "too much memory": _first("held = []\nwhile True: held.append(bytearray(1 << 24))"),
    "endless recursion": _first("again = lambda n: again(n + 1) + 1\nagain(0)"),
    "endless loop": _first("while True: pass"),
}
