"""Whether a container that a scope changes is reached by that one variable only."""

import ast

from library import FRESH_CALLS, LENGTHENING, MUTATING
from scopes import Unsure
from trees import items_deep, leaves, root, targets_of

_KEPT, _READ, _SEEN = range(3)
"""Where an expression stands: where it may be kept; where it is read, and its items may be kept;
where no more is done than to look at it."""

_LOOKING = frozenset(("len", "print", "repr", "str"))


class Ownership:
    """Whether the variables that a scope changes are reached by nothing else."""

    def __init__(self, program, scope, module):
        self._program = program
        self._scope = scope
        self._levels = dict(scope.changed)
        if scope is not module:
            outer = module.changed.items()
            self._levels |= {n: level for n, level in outer if n not in scope.bindings}

    def check(self):
        scope = self._scope
        for name, level in scope.changed.items():
            kinds = {self._program.fresh(value) for value in scope.bindings[name]}
            if None in kinds or name in self._program.inner:
                raise Unsure
            held = [(0, value) for value in scope.bindings[name] if level]
            held += scope.stored.get(name, ())
            if not all(_is_own(value, level - at + 1) for at, value in held):
                raise Unsure
        for statement in scope.statements:
            self._check_call(statement)
            self._statement(statement)

    def _check_call(self, statement):
        """The method must be one that changes the length of what its object is known to be."""
        call, name = self._scope.calls.get(id(statement), (None, None))
        if call is None:
            return
        if isinstance(call.func, ast.Attribute):
            kinds = {self._program.fresh(value) for value in self._scope.bindings[name]}
            plain = isinstance(call.func.value, ast.Name)
            if not plain or any(call.func.attr not in LENGTHENING[kind] for kind in kinds):
                raise Unsure
            level = self._scope.changed[name]
            if not all(_is_own(argument, level) for argument in call.args):
                raise Unsure
            arguments = call.args
        else:
            arguments = call.args[1:]
        if call.keywords:
            raise Unsure
        for argument in arguments:
            self._value(argument)
        if not isinstance(statement, ast.Expr) and not isinstance(
            targets_of(statement)[0], ast.Name
        ):
            raise Unsure
        if isinstance(statement, ast.Assign) and len(targets_of(statement)) > 1:
            raise Unsure  # the unpacking might fail after the call

    def _statement(self, statement):
        for target in targets_of(statement):
            while isinstance(target, ast.Subscript):
                self._value(target.slice)
                target = target.value
        if id(statement) in self._scope.calls:
            return
        check = _STATEMENTS.get(type(statement))
        if check is not None:
            check(self, statement)

    def _return(self, statement):
        value = statement.value
        for part in value.elts if isinstance(value, ast.Tuple) else (value,):
            self._value(part, _SEEN)

    def _for(self, statement):
        self._value(statement.iter, _READ)

    def _condition(self, statement):
        self._value(statement.test, _SEEN)

    def _assert(self, statement):
        self._value(statement.test, _SEEN)
        self._value(statement.msg)

    def _raise(self, statement):
        self._value(statement.exc)
        self._value(statement.cause)

    def _try(self, statement):
        for handler in statement.handlers:
            self._value(handler.type)

    def _function(self, statement):
        for default in (*statement.args.defaults, *statement.args.kw_defaults):
            self._value(default)
        for node in ast.walk(statement.args):
            self._value(getattr(node, "annotation", None))
        self._value(statement.returns)

    def _plain(self, statement):
        self._value(statement.value)

    def _annotated(self, statement):
        self._value(statement.value)
        self._value(statement.annotation)

    def _in_place(self, statement):
        self._value(statement.value, _READ)

    def _value(self, node, where=_KEPT):
        """Check an expression."""
        if node is None:
            return
        check = _EXPRESSIONS.get(type(node))
        if check is not None:
            check(self, node, where)
        elif not isinstance(node, ast.Constant):
            raise Unsure

    def _name(self, node, where):
        self._check_kept(node, where)

    def _attribute(self, node, where):
        if node.attr in MUTATING or node.attr.startswith("__"):
            raise Unsure
        self._value(node.value)

    def _subscript(self, node, where):
        self._value(node.slice)
        self._check_kept(node, where)
        self._value(node.value, _SEEN)

    def _check_kept(self, node, where):
        """What may be kept must lie deeper than what is changed."""
        level = self._levels.get(root(node))
        if level is not None and where < _SEEN and items_deep(node) + where <= level:
            raise Unsure

    def _slice(self, node, where):
        for part in (node.lower, node.upper, node.step):
            self._value(part)

    def _call(self, node, where):
        where = _READ if self._program.takes_changing(node.func) else _KEPT
        if isinstance(node.func, ast.Attribute):
            self._value(node.func.value, where)
        else:
            self._value(node.func)
        module, name = self._program.callee(node.func) or ("", "")
        if module is None and name in _LOOKING:
            where = _SEEN
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            self._value(argument, where)

    def _starred(self, node, where):
        self._value(node.value, where)

    def _binop(self, node, where):
        self._value(node.left, _READ)
        self._value(node.right, _READ)

    def _unary(self, node, where):
        self._value(node.operand, _SEEN)

    def _compare(self, node, where):
        for part in (node.left, *node.comparators):
            self._value(part, _SEEN)

    def _bool(self, node, where):
        for part in node.values:
            self._value(part, where)

    def _conditional(self, node, where):
        self._value(node.test, _SEEN)
        self._value(node.body)
        self._value(node.orelse)

    def _joined_string(self, node, where):
        for part in node.values:
            self._value(part)

    def _formatted(self, node, where):
        self._value(node.value, _SEEN)
        self._value(node.format_spec)

    def _lambda(self, node, where):
        self._value(node.body)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            self._value(default)

    def _display(self, node, where):
        for part in node.elts:
            self._value(part)

    def _dict(self, node, where):
        for part in (*node.keys, *node.values):
            self._value(part)

    def _comprehension(self, node, where):
        self._value(node.elt)
        self._generators(node)

    def _dict_comprehension(self, node, where):
        self._value(node.key)
        self._value(node.value)
        self._generators(node)

    def _generators(self, node):
        for generator in node.generators:
            self._value(generator.iter, _READ)
            for test in generator.ifs:
                self._value(test, _SEEN)
            if not all(isinstance(t, ast.Name) for t in leaves(generator.target)):
                raise Unsure


def _is_own(value, levels):
    """Whether what an expression makes is held by nothing else, down to so many levels."""
    if levels <= 0 or isinstance(value, ast.Constant | ast.JoinedStr | ast.Compare | ast.UnaryOp):
        return True
    if isinstance(value, ast.List | ast.Set | ast.Tuple):
        return all(_is_own(part, levels - 1) for part in value.elts)
    if isinstance(value, ast.Dict):
        return all(_is_own(part, levels - 1) for part in value.values)
    if isinstance(value, ast.ListComp | ast.SetComp):
        return _is_own(value.elt, levels - 1)
    if isinstance(value, ast.DictComp):
        return _is_own(value.value, levels - 1)
    if isinstance(value, ast.BinOp):
        repeated = isinstance(value.op, ast.Mult) and isinstance(value.left, ast.List)
        return levels == 1 or (repeated and _is_own(value.left, levels))
    if isinstance(value, ast.Call):
        made = isinstance(value.func, ast.Name) and value.func.id in FRESH_CALLS
        return made and (levels == 1 or not value.args)
    return False


_STATEMENTS = {
    ast.AnnAssign: Ownership._annotated,
    ast.Assert: Ownership._assert,
    ast.Assign: Ownership._plain,
    ast.AugAssign: Ownership._in_place,
    ast.Expr: Ownership._plain,
    ast.For: Ownership._for,
    ast.FunctionDef: Ownership._function,
    ast.If: Ownership._condition,
    ast.Raise: Ownership._raise,
    ast.Return: Ownership._return,
    ast.Try: Ownership._try,
    ast.While: Ownership._condition,
}
_EXPRESSIONS = {
    ast.Attribute: Ownership._attribute,
    ast.BinOp: Ownership._binop,
    ast.BoolOp: Ownership._bool,
    ast.Call: Ownership._call,
    ast.Compare: Ownership._compare,
    ast.Dict: Ownership._dict,
    ast.DictComp: Ownership._dict_comprehension,
    ast.FormattedValue: Ownership._formatted,
    ast.GeneratorExp: Ownership._comprehension,
    ast.IfExp: Ownership._conditional,
    ast.JoinedStr: Ownership._joined_string,
    ast.Lambda: Ownership._lambda,
    ast.List: Ownership._display,
    ast.ListComp: Ownership._comprehension,
    ast.Name: Ownership._name,
    ast.Set: Ownership._display,
    ast.SetComp: Ownership._comprehension,
    ast.Slice: Ownership._slice,
    ast.Starred: Ownership._starred,
    ast.Subscript: Ownership._subscript,
    ast.Tuple: Ownership._display,
    ast.UnaryOp: Ownership._unary,
}
