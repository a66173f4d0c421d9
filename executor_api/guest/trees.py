"""What a syntax tree says of statements, targets and names."""

import ast

DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def is_special(node):
    """Whether a variable has a name that means more than a variable, or that its class changes."""
    if isinstance(node, ast.arg) or not isinstance(node.ctx, ast.Load):
        return (node.arg if isinstance(node, ast.arg) else node.id).startswith("__")
    private = node.id.startswith("__") and not node.id.endswith("__")
    return private or node.id in ("defaultdict", "dir")


def parameters(function):
    a = function.args
    given = [*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg]
    return tuple(parameter.arg for parameter in given if parameter is not None)


def imported_names(statement):
    return [alias.asname or alias.name for alias in statement.names if alias.name != "*"]


def bodies(statement):
    """The lists of statements within one, of the same scope."""
    if isinstance(statement, DEFINITIONS):
        return []
    parts = [getattr(statement, field, None) for field in ("body", "orelse", "finalbody")]
    parts += [handler.body for handler in getattr(statement, "handlers", ())]
    return [part for part in parts if part]


def own_statements(body):
    for statement in body:
        yield statement
        for part in bodies(statement):
            yield from own_statements(part)


def leaves(target):
    if isinstance(target, ast.Tuple | ast.List):
        return [leaf for part in target.elts for leaf in leaves(part)]
    return leaves(target.value) if isinstance(target, ast.Starred) else [target]


def names(target):
    return [leaf.id for leaf in leaves(target) if isinstance(leaf, ast.Name)]


def targets_of(statement):
    """What the statement itself binds or stores into."""
    if isinstance(statement, ast.Assign):
        return [leaf for target in statement.targets for leaf in leaves(target)]
    if isinstance(statement, ast.For):
        return leaves(statement.target)
    if isinstance(statement, ast.AugAssign):
        return [statement.target]
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return [statement.target]
    return []


def root(node):
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def items_deep(node):
    """As ``depth``; a slice leads no deeper."""
    if not isinstance(node, ast.Subscript):
        return 0
    return items_deep(node.value) + (not isinstance(node.slice, ast.Slice))


def depth(node):
    """Subscripts between a variable and an item of an item of its."""
    return 1 + depth(node.value) if isinstance(node, ast.Subscript) else 0


def outermost_call(statement):
    value = getattr(statement, "value", None)
    if isinstance(statement, ast.Expr | ast.Assign) and isinstance(value, ast.Call):
        return value
    return None


def inner_names(nodes):
    """The names that comprehensions and lambdas bind."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.comprehension):
            found.update(names(node.target))
        elif isinstance(node, ast.Lambda):
            found.update(parameters(node))
    return found


def crowded_lines(nodes):
    """Lines on which more than one statement begins or goes on."""
    seen, crowded = set(), set()
    for node in nodes:
        if isinstance(node, ast.stmt):
            (crowded if node.lineno in seen else seen).add(node.lineno)
    return crowded
