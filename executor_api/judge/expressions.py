"""Expressions of test code, evaluated on the host over plain values."""

import ast
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from executor_api.judge import bounds, functions, methods, operators
from executor_api.judge.bindings import Bindings
from executor_api.judge.bounds import Unsupported
from executor_api.judge.certain import is_certain, only_calls
from executor_api.judge.references import (
    DEFERRED,
    ITERATED,
    ITERATING,
    ITERATING_METHODS,
    MATERIALIZERS,
    VIEWS,
    Function,
    Reference,
)

__all__ = ["Expressions"]


class Expressions(Bindings):
    """Evaluates an expression, node by node; ``DEFERRED`` spreads through all it is part of."""

    @abstractmethod
    def _call_defined(self, node: ast.Call, function: Function) -> Any:
        """Call a function that the test code defines."""

    def _plain(self, node: ast.expr, *, statement: bool = False) -> Any:
        """Evaluate to plain data, a function, or ``DEFERRED``; ask the guest where need be."""
        value = self._evaluate(node, statement=statement)
        return self._ask_value(node, value) if isinstance(value, Reference) else value

    def _evaluate(self, node: ast.expr, *, statement: bool = False) -> Any:
        """As ``_plain``, but an expression that only the guest can evaluate stays a reference."""
        self._spend(1)
        if isinstance(node, ast.Call):
            return self._call(node, statement=statement)
        evaluate = _EXPRESSIONS.get(type(node))
        if evaluate is None:
            raise Unsupported(f"the expression {type(node).__name__}")
        return evaluate(self, node)

    def _constant(self, node: ast.Constant) -> Any:
        if node.value is Ellipsis:
            raise Unsupported("an ellipsis")
        return node.value

    def _name(self, node: ast.Name) -> Any:
        found = self._lookup(node.id)
        return Reference(node) if found is None else self._lent.unchanged(found[0])

    def _display(self, node: Any, *, passed: bool = False) -> Any:
        items = self._items(node.elts, passed=passed)
        if items is DEFERRED:
            return DEFERRED
        if isinstance(node, ast.Set):
            self._check_hashed(items)
        return _DISPLAYS[type(node)](items)

    def _check_hashed(self, items: list[Any]) -> None:
        """Charge for the hashes of ``items``, which Python keeps for no tuple."""
        self._consume(items)
        bounds.refuse_collisions(items)

    def _items(self, nodes: list[ast.expr], *, passed: bool = False, iterated: bool = False) -> Any:
        """Evaluate a list of expressions, stars unpacked; ``DEFERRED`` where any of them is.
        ``passed``: as arguments to the program, which may get what it got before. ``iterated``:
        nothing else is done with any of them."""
        items: list[Any] = []
        deferred = False
        for node in nodes:
            starred = isinstance(node, ast.Starred)
            inner = node.value if isinstance(node, ast.Starred) else node
            if passed:
                value = self._passed(inner)
            else:
                value = self._iterated(inner) if iterated or starred else self._plain(inner)
            if value is DEFERRED:
                deferred = True
            elif starred:
                items.extend(self._iterate(value))
            else:
                items.append(self._datum(value))
        return DEFERRED if deferred else items

    def _iterated(self, node: ast.expr) -> Any:
        """As ``_plain``, of what is only iterated: of the program's it may be an iterator."""
        method = node.func if isinstance(node, ast.Call) else None
        if isinstance(method, ast.Attribute) and not self._is_guests(method):
            return self._plain(node)
        found = self._programs_call(node)
        if found is None or getattr(found[1].node, "id", "") in self._program.classes:
            return self._plain(node)
        return self._ask_materialized(ITERATED, *found)

    def _programs_call(self, node: ast.expr) -> tuple[ast.Call, Reference] | None:
        """A call whose callee only the guest can evaluate."""
        if not isinstance(node, ast.Call) or not self._is_rooted(node):
            return None
        callee = self._evaluate(node.func)
        return (node, callee) if isinstance(callee, Reference) else None

    def _passed(self, node: ast.expr) -> Any:
        """As ``_plain``, of what is handed on without a look at it."""
        value = self._handed_on(node)
        return self._ask_value(node, value) if isinstance(value, Reference) else value

    def _handed_on(self, node: ast.expr) -> Any:
        """As ``_evaluate``. What the program may have changed may still get another name, or go to
        the program again as it was."""
        self._spend(1)
        if isinstance(node, ast.Name):
            found = self._lookup(node.id)
            return Reference(node) if found is None else found[0]
        if isinstance(node, ast.Subscript):
            return self._item(node, self._passed(node.value))
        if isinstance(node, ast.List | ast.Tuple):
            return self._display(node, passed=True)
        return self._evaluate(node)

    def _datum(self, value: Any) -> Any:
        if isinstance(value, Function | functions.Module):
            raise Unsupported("a function in a container")
        return value

    def _dict(self, node: ast.Dict) -> Any:
        if any(key is None for key in node.keys):
            raise Unsupported("** in a dict")
        keys = self._items([key for key in node.keys if key is not None])
        values = self._items(node.values)
        if keys is DEFERRED or values is DEFERRED:
            return DEFERRED
        self._check_hashed(keys)
        return dict(zip(keys, values, strict=True))

    def _unary(self, node: ast.UnaryOp) -> Any:
        value = self._plain(node.operand)
        return value if value is DEFERRED else operators.unary(type(node.op).__name__, value)

    def _binop(self, node: ast.BinOp) -> Any:
        return self._binary(node.op, self._plain(node.left), self._plain(node.right))

    def _binary(self, operator: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(operator, ast.Mod) and type(left) in (str, bytes):
            raise Unsupported("string formatting with %")
        if left is DEFERRED or right is DEFERRED:
            return DEFERRED
        result = operators.binary(type(operator).__name__, left, right)
        self._spend(_length(result))
        if isinstance(result, set | frozenset | dict):
            bounds.refuse_collisions(list(result))
        return result

    def _bool(self, node: ast.BoolOp) -> Any:
        stop = isinstance(node.op, ast.Or)
        deferred, value = False, None
        for operand in node.values:
            value = self._plain(operand)
            if value is DEFERRED:
                deferred = True
            elif not deferred and bool(value) is stop:
                return value
        return DEFERRED if deferred else value

    def _compare(self, node: ast.Compare) -> Any:
        values = [self._plain(operand) for operand in (node.left, *node.comparators)]
        result: Any = True
        for operator, left, right in zip(node.ops, values, values[1:], strict=False):
            held = self._compared(operator, left, right)
            if held is DEFERRED:
                result = DEFERRED
            elif not held:
                return DEFERRED if result is DEFERRED else False
        return result

    def _compared(self, operator: ast.cmpop, left: Any, right: Any) -> Any:
        if isinstance(operator, ast.Is | ast.IsNot) and not (_has_identity(left, right)):
            raise Unsupported("identity of values")
        if left is DEFERRED or right is DEFERRED:
            return DEFERRED
        self._consume(left)
        self._consume(right)
        return operators.compare(type(operator).__name__, left, right)

    def _conditional(self, node: ast.IfExp) -> Any:
        test = self._plain(node.test)
        if test is not DEFERRED:
            chosen = node.body if test else node.orelse
            # Where an answer decides, the first run has asked for both, as plain values.
            return (self._evaluate if self._is_host_only(node.test) else self._plain)(chosen)
        self._plain(node.body)
        self._plain(node.orelse)
        return DEFERRED

    def _subscript(self, node: ast.Subscript) -> Any:
        return self._lent.unchanged(self._item(node, self._plain(node.value)))

    def _item(self, node: ast.Subscript, owner: Any) -> Any:
        index = self._plain(node.slice)
        if owner is DEFERRED or index is DEFERRED:
            return DEFERRED
        if isinstance(owner, type):
            raise Unsupported("a generic type")
        if type(index) is tuple:
            self._consume(index)
        result = owner[index]
        if isinstance(index, slice):
            self._spend(len(result))
        return result

    def _slice(self, node: ast.Slice) -> Any:
        parts = [None if x is None else self._plain(x) for x in (node.lower, node.upper, node.step)]
        return DEFERRED if DEFERRED in parts else slice(*parts)

    def _joined_string(self, node: ast.JoinedStr) -> Any:
        formatted = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        if any(part.format_spec or part.conversion > 0 for part in formatted):
            raise Unsupported("a format specification")
        parts = [p.value if isinstance(p, ast.FormattedValue) else p for p in node.values]
        values = self._items(parts)
        if values is DEFERRED:
            return DEFERRED
        self._consume(values)
        return "".join(map(str, values))

    def _lambda(self, node: ast.Lambda) -> functions.HostFunction:
        """A function that a builtin may call on the host (``key=lambda pair: pair[0]``)."""
        names = [argument.arg for argument in node.args.args]
        self._check_waiting([node])
        scopes = self._scopes

        def call(*values: Any) -> Any:
            with self._within([*scopes, dict(zip(names, values, strict=True))]):
                return self._plain(node.body)

        return functions.HostFunction(call)

    def _attribute(self, node: ast.Attribute) -> Any:
        if self._is_rooted(node.value):
            return Reference(self._inline(node))
        owner = self._plain(node.value)
        if isinstance(owner, functions.Module) and node.attr in owner.members:
            return owner.members[node.attr]
        raise Unsupported(f"the attribute {node.attr}")

    def _comprehension(self, node: Any) -> Any:
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        rows: list[list[Any]] = []
        with self._within([*self._scopes, {}]):
            complete = self._generate(node.generators, parts, rows)
        if not complete:
            return DEFERRED
        if isinstance(node, ast.DictComp):
            self._check_hashed([key for key, _ in rows])
            return dict(rows)
        values = [value for (value,) in rows]
        if isinstance(node, ast.SetComp):
            self._check_hashed(values)
            return set(values)
        return values

    def _generate(
        self, generators: list[ast.comprehension], parts: list[ast.expr], rows: list[list[Any]]
    ) -> bool:
        """Append a row for each turn; return False where a value is deferred."""
        if not generators:
            row = self._items(parts)
            rows.append([] if row is DEFERRED else row)
            return row is not DEFERRED
        first, rest = generators[0], generators[1:]
        items = self._iterated(first.iter)
        if first.is_async or items is DEFERRED:
            return self._deferred_comprehension(generators, parts)
        complete = True

        def turn(item: Any) -> None:
            nonlocal complete
            self._bind(first.target, item)
            if all(self._decided(condition) for condition in first.ifs):
                complete &= self._generate(rest, parts, rows)

        self._loop(self._iterate(items), turn)
        return complete

    def _deferred_comprehension(
        self, generators: list[ast.comprehension], parts: list[ast.expr]
    ) -> bool:
        """Over an answer: it must wait for the second run, so nothing in it may ask for more."""
        inner = [*parts, *(g.iter for g in generators[1:]), *(c for g in generators for c in g.ifs)]
        bound = {n.id for g in generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        with self._within([*self._scopes, dict.fromkeys(bound, DEFERRED)]):
            self._check_waiting(inner)
        return False

    def _check_waiting(self, nodes: Sequence[ast.AST]) -> None:
        """Refuse code that waits for an answer and then might need more than the host."""
        reached: dict[int, Function] = {}
        if not all(self._is_host_only(node, reached) for node in nodes):
            raise Unsupported("calls that depend on an answer")
        bodies = [ast.Module(function.body, []) for function in reached.values()]
        if any(map(self._is_recursive, reached.values())):
            raise Unsupported("recursion that waits for an answer")
        names = {function.name for function in reached.values()}
        for tree in (*nodes, *bodies):
            if not only_calls(tree, names) or not all(map(self._is_certain, ast.walk(tree))):
                raise Unsupported("code that the host might not run")

    def _is_recursive(self, function: Function) -> bool:
        """Whether a function calls itself, on a way of any length: how deep, answers decide."""
        reached: dict[int, Function] = {}
        with self._within([*function.scopes, dict.fromkeys(function.parameters)]):
            self._is_host_only(ast.Module(function.body, []), reached)
        return id(function) in reached

    def _is_certain(self, node: ast.AST) -> bool:
        known = type(node) in _EXPRESSIONS or isinstance(node, _IN_EXPRESSIONS)
        return (known or not isinstance(node, ast.expr)) and is_certain(node)

    def _call(self, node: ast.Call, *, statement: bool) -> Any:
        if isinstance(node.func, ast.Attribute) and not self._is_guests(node.func):
            owner = self._plain(node.func.value)
            if not isinstance(owner, functions.Module):
                return self._method(node, node.func.attr, owner, statement=statement)
        function = self._evaluate(node.func)
        if isinstance(function, Reference):
            return self._call_program(node, function)
        if isinstance(function, Function):
            return self._call_defined(node, function)
        if materialized := self._materialized(node, function):
            return materialized[0]
        return self._call_host(node, function)

    def _is_guests(self, method: ast.Attribute) -> bool:
        """Whether the guest has to call this method. Views of a dict it could not send back."""
        view_of_answer = method.attr in VIEWS and isinstance(method.value, ast.Call)
        return self._is_rooted(method) and not view_of_answer

    def _method(self, node: ast.Call, name: str, owner: Any, *, statement: bool) -> Any:
        arguments = self._arguments(node, iterated=name in ITERATING_METHODS)
        if owner is DEFERRED or arguments is DEFERRED:
            if statement or not methods.is_pure(name):
                raise Unsupported(f"the method {name} on an answer")
            return DEFERRED
        values, keywords = arguments
        for value in (*values, *keywords.values()):
            self._consume(value)
        if name in ("index", "count", "remove"):
            self._consume(owner)
        result = methods.call(owner, name, values, keywords)
        self._spend(_length(owner) + _length(result))
        for grown in (owner, result):
            if isinstance(grown, set | frozenset | dict):
                bounds.refuse_collisions(list(grown))
        return result

    def _call_host(self, node: ast.Call, function: Any) -> Any:
        if not functions.is_callable(function):
            raise Unsupported("calling such a value")
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        iterating = name in ITERATING and function is functions.BUILTINS[name]
        arguments = self._arguments(node, iterated=iterating)
        if arguments is DEFERRED:
            return DEFERRED
        values, keywords = arguments
        if function is not len:
            for value in (*values, *keywords.values()):
                self._consume(value)
        result = functions.call(function, values, keywords)
        self._spend(_length(result))
        return result

    def _arguments(self, node: ast.Call, *, passed: bool = False, iterated: bool = False) -> Any:
        """Return ``(values, keywords)``, or ``DEFERRED`` where one of them is."""
        values = self._items(node.args, passed=passed, iterated=iterated)
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self._passed(keyword.value) if passed else self._plain(keyword.value)
            if value is DEFERRED:
                values = DEFERRED
            elif keyword.arg is None:
                keywords |= _string_keys(value)
            else:
                keywords[keyword.arg] = self._datum(value)
        return DEFERRED if values is DEFERRED else (values, keywords)

    def _materialized(self, node: ast.Call, function: Any) -> tuple[Any] | None:
        """``list(f(x))`` and its kin: let the guest apply the builtin, so that ``f`` may return
        an iterator. None where the call has another form."""
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name not in MATERIALIZERS or function is not functions.BUILTINS[name]:
            return None
        if node.keywords or len(node.args) != 1:
            return None
        found = self._programs_call(node.args[0])
        return (self._ask_materialized(name, *found),) if found else None


def _string_keys(value: Any) -> dict[str, Any]:
    if type(value) is not dict or any(type(key) is not str for key in value):
        raise TypeError("keywords must be strings")
    return value


def _length(value: Any) -> int:
    if isinstance(value, str | bytes | list | tuple | set | frozenset | dict):
        return len(value)
    return 1 + (value.bit_length() >> 6) if isinstance(value, int) else 1


def _has_identity(left: Any, right: Any) -> bool:
    """Whether ``is`` means the same for a copy of the value: None, booleans and types."""
    return any(x is None or isinstance(x, bool | type) for x in (left, right))


_IN_EXPRESSIONS = (ast.Call, ast.FormattedValue, ast.Starred)
_DISPLAYS: dict[type[ast.expr], Callable[[list[Any]], Any]] = {
    ast.List: list,
    ast.Tuple: tuple,
    ast.Set: set,
}
_EXPRESSIONS: dict[type[ast.expr], Callable[[Expressions, Any], Any]] = {
    ast.Attribute: Expressions._attribute,
    ast.BinOp: Expressions._binop,
    ast.BoolOp: Expressions._bool,
    ast.Compare: Expressions._compare,
    ast.Constant: Expressions._constant,
    ast.Dict: Expressions._dict,
    ast.DictComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.IfExp: Expressions._conditional,
    ast.JoinedStr: Expressions._joined_string,
    ast.Lambda: Expressions._lambda,
    ast.List: Expressions._display,
    ast.ListComp: Expressions._comprehension,
    ast.Name: Expressions._name,
    ast.Set: Expressions._display,
    ast.SetComp: Expressions._comprehension,
    ast.Slice: Expressions._slice,
    ast.Subscript: Expressions._subscript,
    ast.Tuple: Expressions._display,
    ast.UnaryOp: Expressions._unary,
}
