"""End values at nearly no cost: the program counts its own definitions.

Where a program binds and changes its variables in plain ways only, the tree of its source is given
a counter after each statement that does (``total += i`` is followed by ``.total += 1``), and a
frame's end values are read when it ends. Loops then run at a small multiple of their time, where a
look at every line takes tens of it.

It has to be certain (``certain.py``) that the values at the end are those at the last definitions,
so that the result is the one ``tracer.py`` gives.
"""

import ast
import sys
import warnings

from bindings import parsed
from certain import Program
from scopes import Unsure
from trees import DEFINITIONS, bodies, imported_names, root, targets_of


def counted(source, file_name):
    """``(code, plans)`` of the program with its counters, or None where it is not certain to be
    right, or Python too old to read them in time. ``plans``: (first line, name) of each function,
    and of the module → for each variable ``(name, definitions by the call, name of the counter,
    line or name of what holds the line)``."""
    if sys.version_info < (3, 12):
        return None
    try:
        program = Program(parsed(source))
        with warnings.catch_warnings(action="ignore"):
            plans = {_key(scope.node): _instrument(scope) for scope in program.scopes}
            return compile(program.tree, file_name, "exec", dont_inherit=True), plans
    except (Unsure, RecursionError, MemoryError, ValueError):
        return None


def _key(node):
    """By which the code object of a function, or the module, is known."""
    return getattr(node, "lineno", 1), getattr(node, "name", "<module>")


def _instrument(scope):
    """Add the counters of one function or the module; return its plan."""
    sites = {}
    for name in scope.parameters:
        sites.setdefault(name, set()).add(scope.node.lineno)
    for statement in scope.statements:
        for name, line in _definitions(scope, statement):
            sites.setdefault(name, set()).add(line)
    several = {name for name, lines in sites.items() if len(lines) > 1}
    _rewrite(scope, scope.body, several)
    if sites:
        at = _after_prologue(scope.body)
        here = scope.body[min(at, len(scope.body) - 1)]
        holders = [f".{name}:" for name in several & {*scope.parameters}]
        start = [_assign([f".{name}" for name in sites], 0, here)]
        start += [_assign([name], scope.node.lineno, here) for name in holders]
        scope.body[at:at] = start
    return [
        (name, int(name in scope.parameters), f".{name}", f".{name}:" if name in several else at)
        for name, (at, *_) in sites.items()
    ]


def _definitions(scope, statement):
    """``(name, line)`` of each definition that the statement makes."""
    if isinstance(statement, DEFINITIONS):
        return [(statement.name, statement.lineno)]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [(name, statement.lineno) for name in imported_names(statement)]
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return []
    found = [(root(target), target.lineno) for target in targets_of(statement)]
    if id(statement) in scope.calls:
        found.append((scope.calls[id(statement)][1], statement.lineno))
    return found


def _rewrite(scope, body, several):
    """Put the counters after the statements; in a loop, whose target is bound, at its start."""
    written = []
    for statement in body:
        for part in bodies(statement):
            _rewrite(scope, part, several)
        where = statement.body[0] if isinstance(statement, ast.For) else statement
        counts = []
        for name, line in _definitions(scope, statement):
            counts.append(_increment(f".{name}", where))
            if name in several:
                counts.append(_assign([f".{name}:"], line, where))
        written.append(statement)
        if where is statement:
            written += counts
        else:
            statement.body[:0] = counts
    body[:] = written


# --- making trees -----------------------------------------------------------------------


def _assign(names, value, where):
    place = _place(where)
    targets = [ast.Name(name, ast.Store(), **place) for name in names]
    return ast.Assign(targets, ast.Constant(value, **place), **place)


def _increment(name, where):
    place = _place(where)
    one = ast.Constant(1, **place)
    return ast.AugAssign(ast.Name(name, ast.Store(), **place), ast.Add(), one, **place)


def _place(where):
    """That of a statement, so that what is put beside it brings no line of its own."""
    return {
        "lineno": where.lineno,
        "col_offset": where.col_offset,
        "end_lineno": where.end_lineno,
        "end_col_offset": where.end_col_offset,
    }


def _after_prologue(body):
    """Where a first statement may be put: after the docstring and imports from the future."""
    at = 0
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        at = 1
    while at < len(body) and isinstance(body[at], ast.ImportFrom):
        if body[at].module != "__future__":
            break
        at += 1
    return at
