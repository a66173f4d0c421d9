"""Whether the values that a program's variables end with are those at their last definitions.

Every container that is changed must be one that its frame has made and that no other variable
reaches (``ownership.py``); calls must be of functions known to change nothing, or of the program's
own.
"""

import ast
import importlib

from library import (
    ANY_LENGTHENING,
    FRESH_CALLS,
    FRESH_NODES,
    HEAP,
    LIBRARY,
    MUTATING,
    PURE_CALLS,
    PURE_METHODS,
)
from ownership import Ownership
from scopes import Scope, Unsure
from trees import (
    DEFINITIONS,
    crowded_lines,
    depth,
    inner_names,
    is_special,
    outermost_call,
    parameters,
    root,
    targets_of,
)

_NODES = frozenset(
    (
        *(ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.ClassDef, ast.Return),
        *(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.While, ast.If, ast.Expr),
        *(ast.Pass, ast.Break, ast.Continue, ast.Import, ast.ImportFrom, ast.alias, ast.Assert),
        *(ast.Raise, ast.Try, ast.ExceptHandler, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.IfExp),
        *(ast.Dict, ast.Set, ast.List, ast.Tuple, ast.ListComp, ast.SetComp, ast.DictComp),
        *(ast.GeneratorExp, ast.comprehension, ast.Compare, ast.Call, ast.keyword, ast.Lambda),
        *(ast.FormattedValue, ast.JoinedStr, ast.Constant, ast.Attribute, ast.Subscript),
        *(ast.Starred, ast.Name, ast.Slice, ast.Load, ast.Store),
        *ast.boolop.__subclasses__(),
        *ast.operator.__subclasses__(),
        *ast.unaryop.__subclasses__(),
        *ast.cmpop.__subclasses__(),
    )
)
_IN_PLACE = (ast.Add, ast.Sub, ast.Mult, ast.BitOr, ast.BitAnd, ast.BitXor)
"""Operators that change some container in place."""


class Program:
    """A program that is certain; ``Unsure`` where it is not. ``scopes``: the module's first.
    ``inner``: the names that comprehensions and lambdas bind."""

    def __init__(self, tree):
        self.tree = tree
        self._nodes = list(ast.walk(tree))
        self._check_nodes()
        self._own = {n.name for n in self._nodes if isinstance(n, DEFINITIONS)}
        self._imported = {}  # name → (module, name in it or None)
        self._note_imports()
        functions = [node for node in self._nodes if isinstance(node, ast.FunctionDef)]
        scopes = [Scope(tree, tree.body, ())]
        scopes += [Scope(node, node.body, parameters(node)) for node in functions]
        self.inner = inner_names(self._nodes)
        self._variables = self.inner.union(*(scope.assigned for scope in scopes))
        for name in self._imported.keys() & (self._variables | self._own):
            self._check_pure(*self._imported.pop(name))  # called or not: it changes nothing
        self._crowded = crowded_lines(self._nodes)
        for scope in scopes:
            self._find_changes(scope)
        for scope in scopes:
            Ownership(self, scope, scopes[0]).check()
        self.scopes = scopes

    # --- what there is ------------------------------------------------------------------

    def _check_nodes(self):
        if not {type(node) for node in self._nodes} <= _NODES:
            raise Unsure
        for node in self._nodes:
            if isinstance(node, DEFINITIONS) and (
                node.decorator_list or node.name.startswith("__")
            ):
                raise Unsure  # __init__ and its like, __del__ above all, run unseen
            if isinstance(node, ast.ExceptHandler) and node.name:
                raise Unsure
            if isinstance(node, ast.comprehension) and node.is_async:
                raise Unsure
            if isinstance(node, ast.Name | ast.arg) and is_special(node):
                raise Unsure
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef):
                self._check_class(node)
        outermost = [n for n in self.tree.body if isinstance(n, DEFINITIONS)]
        methods = [m for n in outermost if isinstance(n, ast.ClassDef) for m in n.body]
        allowed = {id(n) for n in (*outermost, *methods)}
        if any(isinstance(n, DEFINITIONS) and id(n) not in allowed for n in self._nodes):
            raise Unsure

    def _check_class(self, node):
        if node.bases or node.keywords:
            raise Unsure
        for part in node.body:
            text = isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
            if not (text or isinstance(part, ast.FunctionDef | ast.Pass)):
                raise Unsure

    def _note_imports(self):
        for node in self._nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name not in LIBRARY:
                        raise Unsure
                    self._imported[alias.asname or alias.name] = alias.name, None
            elif isinstance(node, ast.ImportFrom):
                if node.module not in LIBRARY or node.level:
                    raise Unsure
                for alias in node.names:
                    for name in _public(node.module) if alias.name == "*" else (alias.name,):
                        self._imported[alias.asname or name] = node.module, name

    def callee(self, function):
        """``(module, name)`` of what an expression that is called names in the library; the module
        is None for a builtin. None for anything else."""
        if isinstance(function, ast.Name):
            name = function.id
            if name in self._variables or name in self._own:
                return None
            return self._imported.get(name, (None, name))
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            module, name = self._imported.get(function.value.id, (None, None))
            return (module, function.attr) if module and name is None else None
        return None

    def _check_pure(self, module, name):
        known = PURE_CALLS if module is None else LIBRARY[module]
        if known is not None and name not in known:
            raise Unsure

    # --- what changes -------------------------------------------------------------------

    def _find_changes(self, scope):
        """Note which variables the scope's statements change, and how."""
        for statement in scope.statements:
            targets = targets_of(statement)
            for target in targets:
                if isinstance(target, ast.Subscript):
                    if len(targets) > 1 or isinstance(statement, ast.For):
                        raise Unsure
                    in_place = isinstance(statement, ast.AugAssign)
                    scope.change(target, depth(target) - 1 + in_place)
                elif not isinstance(target, ast.Name):
                    raise Unsure
            if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
                name = statement.target.id
                if isinstance(statement.op, _IN_PLACE) and not scope.is_atomic(name, self):
                    scope.changed.setdefault(name, 0)
            call = outermost_call(statement)
            grown = call and self._lengthened(call)
            if grown:
                if statement.lineno in self._crowded or statement.end_lineno != statement.lineno:
                    raise Unsure
                scope.change(grown, depth(grown))
                scope.calls[id(statement)] = call, root(grown)

    def _lengthened(self, call):
        """What a call changes the length of, if it is known to do that."""
        if self.callee(call.func) in HEAP and call.args:
            return call.args[0] if isinstance(call.args[0], ast.Name) else None
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in ANY_LENGTHENING:
            return None
        return call.func.value

    def fresh(self, value):
        """The kind of container that ``value`` makes anew, or None."""
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
            return "list" if isinstance(value.left, ast.List) else None
        if isinstance(value, ast.Call):
            callee = self.callee(value.func)
            if callee == ("collections", "deque"):
                return "deque" if len(value.args) <= 1 and not value.keywords else None
            module, name = callee or ("", "")
            return FRESH_CALLS.get(name) if module is None else None
        return FRESH_NODES.get(type(value))

    def takes_changing(self, function):
        """Whether what is called leaves its arguments alone, and those it is called on: then they
        may be variables that change. ``Unsure`` where it may change anything else."""
        callee = self.callee(function)
        if callee is not None:
            self._check_pure(*callee)
            return True
        if isinstance(function, ast.Attribute):
            if function.attr in MUTATING:
                raise Unsure
            if function.attr not in self._own:
                if function.attr not in PURE_METHODS:
                    raise Unsure
                return True
        return False  # of the program's own


def _public(module):
    found = importlib.import_module(module)
    return getattr(found, "__all__", [name for name in dir(found) if name[0] != "_"])
