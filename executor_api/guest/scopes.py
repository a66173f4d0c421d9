"""What the statements of a function or the module bind, store and change.

Levels: a variable's container is at level 0, its items at level 1, theirs at level 2.
"""

import ast

from library import ATOMIC_CALLS
from trees import DEFINITIONS, depth, imported_names, names, own_statements, root, targets_of


class Unsure(Exception):
    """The values at the end might differ from those at the last definitions."""


class Scope:
    """A function or the module. ``bindings``: name → the expressions it is bound to, None for each
    that is something else. ``changed``: name → the deepest level at which a container of its is
    changed. ``stored``: name → ``(level, expression)`` of what is put into it. ``calls``: id of a
    statement → the call it consists of, and the name whose length that changes. ``assigned``: the
    names bound otherwise than by import or definition."""

    def __init__(self, node, body, parameters):
        self.node = node
        self.body = body
        self.parameters = parameters
        self.statements = list(own_statements(body))
        self.bindings = {name: [None] for name in parameters}
        self.changed = {}
        self.stored = {}
        self.calls = {}
        self.assigned = {*parameters}
        for statement in self.statements:
            self._bind(statement)

    def _bind(self, statement):
        if isinstance(statement, ast.AugAssign):
            if isinstance(statement.target, ast.Name):
                self.assigned.add(statement.target.id)
                self.bindings.setdefault(statement.target.id, [])
            self._store(statement.target, statement.value)
            return
        value = getattr(statement, "value", None)
        self.assigned.update(t.id for t in targets_of(statement) if isinstance(t, ast.Name))
        if isinstance(statement, DEFINITIONS):
            self.bindings.setdefault(statement.name, []).append(None)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for name in imported_names(statement):
                self.bindings.setdefault(name, []).append(None)
        elif isinstance(statement, ast.For):
            for name in names(statement.target):
                self.bindings.setdefault(name, []).append(None)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and value is not None:
            targets = getattr(statement, "targets", None) or [statement.target]
            for target in targets:
                self._bind_to(target, value if len(targets) == 1 else None)

    def _bind_to(self, target, value):
        if isinstance(target, ast.Name):
            self.bindings.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Subscript):
            self._store(target, value)
        elif isinstance(target, ast.Tuple | ast.List):
            same = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
            values = value.elts if same else [None] * len(target.elts)
            for part, its_value in zip(target.elts, values, strict=True):
                self._bind_to(part.value if isinstance(part, ast.Starred) else part, its_value)

    def _store(self, target, value):
        self.stored.setdefault(root(target), []).append((depth(target), value))

    def change(self, target, level):
        name = root(target)
        if name is None or name not in self.bindings:
            raise Unsure
        self.changed[name] = max(self.changed.get(name, 0), level)

    def is_atomic(self, name, program):
        values = self.bindings.get(name, [None])
        return bool(values) and all(_is_atomic(value, program) for value in values)


def _is_atomic(value, program):
    """Whether an expression cannot make a container that may be changed in place."""
    if isinstance(value, ast.Constant | ast.JoinedStr | ast.Compare):
        return True
    if isinstance(value, ast.UnaryOp):
        return _is_atomic(value.operand, program)
    if isinstance(value, ast.BinOp):
        return _is_atomic(value.left, program) and _is_atomic(value.right, program)
    if isinstance(value, ast.Call):
        module, name = program.callee(value.func) or ("", "")
        return module in (None, "math") and (module == "math" or name in ATOMIC_CALLS)
    return False
