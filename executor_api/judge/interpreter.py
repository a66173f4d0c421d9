"""A small bounded interpreter of test code, run on the host over plain values.

It runs the same code twice. The first time, no call to the program has an answer yet: each is
collected as a guest test and stands for ``DEFERRED``, which spreads through every expression it
is part of. The second time the answers are in place and the assertions are decided, by Python's
own semantics (float ``==`` is exact). Control flow must not depend on an answer, so both runs
take the same path and a call is recognised by its place: the syntax node and the loop turns
around it.

Whatever the interpreter does not know raises ``Unsupported``: the caller then lets the sandbox
run the code. Values are plain data, attributes are looked up in closed lists only, and every
step counts against a budget.
"""

import ast
import builtins
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

from executor_api.guest import codec
from executor_api.judge import host
from executor_api.judge.host import Unsupported
from executor_api.judge.literals import literal

__all__ = ["AssertionFailed", "Calls", "Interpreter", "Key", "Program"]

Key = tuple[int, ...]
"""A call's place: the id of its syntax node, then the loop turns around it."""

_BUDGET = 1_000_000
_MAX_CALL_DEPTH = 20
_MAX_SOURCE = 1_000_000
_PYTHON_BUILTINS = frozenset(dir(builtins))


class _Deferred:
    def __repr__(self) -> str:
        return "DEFERRED"


DEFERRED: Final = _Deferred()


class AssertionFailed(Exception):
    """An assertion does not hold. ``found`` is the literal of what it looked at: the left side
    of a comparison, or else its whole value."""

    def __init__(self, node: ast.Assert, found: str) -> None:
        super().__init__(found)
        self.node = node
        self.found = found


class Calls(Protocol):
    """Where the interpreter's calls to the program go."""

    collecting: bool

    def ask(self, key: Key, form: Callable[[], dict[str, Any]]) -> Any:
        """Return the program's answer to the guest test, or ``DEFERRED``."""


@dataclass(frozen=True, slots=True)
class Program:
    """What the test code may know of the program: which names are its own."""

    classes: frozenset[str] = frozenset()
    shadows: frozenset[str] = frozenset()
    """Names of builtins that stand for the program's own definitions in this test code."""


@dataclass(frozen=True, slots=True)
class _Reference:
    """An expression over the program's names, not evaluated: it exists only in the sandbox."""

    node: ast.expr


@dataclass(frozen=True, slots=True)
class _Function:
    """A function that the test code defines."""

    name: str
    arguments: ast.arguments
    body: list[ast.stmt]
    scopes: list[dict[str, Any]]
    defaults: list[Any]


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class Interpreter:
    """One run of one piece of test code.

    After it: ``assertions`` is how many were executed, ``self_judged`` whether one was nothing
    but the program's own opinion of its own results.
    """

    def __init__(self, tree: ast.Module, seed: str, program: Program, calls: Calls) -> None:
        self._tree = tree
        self._program = program
        self._calls = calls
        self._scopes: list[dict[str, Any]] = [{}]
        self._turns: list[int] = []
        self._depth = 0
        self._budget = _BUDGET
        self._lent: dict[int, Any] = {}
        self._rng = random.Random(seed)
        self.assertions = 0
        self.self_judged = False

    def run(self) -> None:
        """Raise ``AssertionFailed``, ``Unsupported``, what ``calls`` raises, or what the test
        code itself would raise (``TypeError`` and the like)."""
        self._block(self._tree.body)

    # --- statements ---------------------------------------------------------------------

    def _block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._spend(1)
            execute = _STATEMENTS.get(type(statement))
            if execute is None:
                raise Unsupported(f"the statement {type(statement).__name__}")
            execute(self, statement)

    def _assert(self, node: ast.Assert) -> None:
        self.assertions += 1
        if self._only_programs_opinion(node.test):
            self.self_judged = True
        test = node.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            left, right = self._plain(test.left), self._plain(test.comparators[0])
            held, found = self._compared(test.ops[0], left, right), left
        else:
            held = found = self._plain(test)
        if held is not DEFERRED and not held:
            raise AssertionFailed(node, literal(found, 80))

    def _only_programs_opinion(self, node: ast.expr) -> bool:
        """Whether ``node`` is the truth of a program's function applied to the program's own
        results: nothing in such an assertion is judged on the host."""
        if isinstance(node, ast.BoolOp):
            return any(map(self._only_programs_opinion, node.values))
        if isinstance(node, ast.UnaryOp):
            return self._only_programs_opinion(node.operand)
        if isinstance(node, ast.Compare):
            others = [node.left, *node.comparators]
            constant = [isinstance(x, ast.Constant) and type(x.value) is bool for x in others]
            return sum(constant) == 1 and any(map(self._only_programs_opinion, others))
        if not isinstance(node, ast.Call) or not self._is_rooted(node):
            return False
        if self._lookup(_root(node)) is not None:  # the candidate, on arguments it is given
            return False
        arguments = [*node.args, *(k.value for k in node.keywords)]
        return any(
            isinstance(inner, ast.Call)
            and self._is_rooted(inner)
            and _root(inner) not in self._program.classes
            for argument in arguments
            for inner in ast.walk(argument)
        )

    def _expression(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if self._is_rooted(node.value) and self._is_stateful(node.value):
            raise Unsupported("changing an object of the program's")
        self._plain(node.value, statement=True)

    def _is_stateful(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and not isinstance(node.func, ast.Name)

    def _assign(self, node: ast.Assign) -> None:
        value = self._bindable(node.value)
        for target in node.targets:
            self._bind(target, value)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._bind(node.target, self._bindable(node.value))

    def _augmented(self, node: ast.AugAssign) -> None:
        if not isinstance(node.target, ast.Name):
            raise Unsupported("augmented assignment to such a target")
        load = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        current, operand = self._plain(load), self._plain(node.value)
        self._bind(node.target, self._binary(node.op, current, operand))

    def _bindable(self, node: ast.expr) -> Any:
        """Evaluate what a name may stand for: plain data, or a function of the program's."""
        value = self._evaluate(node)
        if isinstance(value, _Reference):
            self._check_stateless(value)
        return value

    def _check_stateless(self, reference: _Reference) -> None:
        """An expression is evaluated anew at each use, so no object with a state may hide in it.
        ``Solution()`` has none, by the convention of the sites it comes from."""
        for node in ast.walk(reference.node):
            if isinstance(node, ast.Call) and ast.unparse(node) != "Solution()":
                raise Unsupported("an object of the program's in a variable")

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self._scopes[-1][target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target.elts, value)
        elif isinstance(target, ast.Subscript):
            self._store(target, value)
        else:
            raise Unsupported("assignment to such a target")

    def _unpack(self, targets: list[ast.expr], value: Any) -> None:
        if any(isinstance(target, ast.Starred) for target in targets):
            raise Unsupported("starred assignment")
        if value is DEFERRED:
            items: list[Any] = [DEFERRED] * len(targets)
        else:
            items = list(self._iterate(value))
        if len(items) != len(targets):
            raise ValueError(f"expected {len(targets)} values to unpack, got {len(items)}")
        for target, item in zip(targets, items, strict=True):
            self._bind(target, item)

    def _store(self, target: ast.Subscript, value: Any) -> None:
        owner, index = self._plain(target.value), self._plain(target.slice)
        if DEFERRED in (owner, index) or value is DEFERRED or type(owner) not in (list, dict):
            raise Unsupported("assignment to an item")
        if isinstance(value, _Reference | _Function):
            raise Unsupported("a function in a container")
        owner[index] = value

    def _if(self, node: ast.If) -> None:
        self._block(node.body if self._decided(node.test) else node.orelse)

    def _decided(self, node: ast.expr) -> bool:
        value = self._plain(node)
        if value is DEFERRED:
            raise Unsupported("control flow that depends on an answer")
        return bool(value)

    def _for(self, node: ast.For) -> None:
        def turn(item: Any) -> None:
            self._bind(node.target, item)
            self._block(node.body)

        self._loop(self._iterate(self._iterable(node.iter)), turn, node.orelse)

    def _while(self, node: ast.While) -> None:
        def turns() -> Iterator[None]:
            while self._decided(node.test):
                yield None

        self._loop(turns(), lambda _: self._block(node.body), node.orelse)

    def _loop(
        self, items: Iterable[Any], turn: Callable[[Any], None], otherwise: list[ast.stmt]
    ) -> None:
        self._turns.append(-1)
        try:
            for item in items:
                self._turns[-1] += 1
                try:
                    turn(item)
                except _Continue:
                    continue
        except _Break:
            return
        finally:
            self._turns.pop()
        self._block(otherwise)

    def _iterable(self, node: ast.expr) -> Any:
        value = self._plain(node)
        if value is DEFERRED:
            raise Unsupported("a loop over an answer")
        return value

    def _iterate(self, value: Any) -> Iterator[Any]:
        for item in value:
            self._spend(1)
            yield item

    def _define(self, node: ast.FunctionDef) -> None:
        arguments = node.args
        if node.decorator_list or arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
            raise Unsupported("such a function definition")
        defaults = [self._plain(default) for default in arguments.defaults]
        scopes = list(self._scopes)
        function = _Function(node.name, arguments, node.body, scopes, defaults)
        self._scopes[-1][node.name] = function

    def _return(self, node: ast.Return) -> NoReturn:
        if not self._depth:
            raise Unsupported("return outside a function")
        raise _Return(None if node.value is None else self._evaluate(node.value))

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._scopes[-1][alias.asname or alias.name] = host.module(alias.name, self._rng)

    def _import_from(self, node: ast.ImportFrom) -> None:
        if node.module == "typing" and not node.level:
            return
        members = host.module(node.module or "", self._rng).members
        for alias in node.names:
            if node.level or alias.name not in members:
                raise Unsupported(f"importing {alias.name}")
            self._scopes[-1][alias.asname or alias.name] = members[alias.name]

    def _pass(self, node: ast.stmt) -> None:
        pass

    def _break(self, node: ast.Break) -> NoReturn:
        raise _Break

    def _continue(self, node: ast.Continue) -> NoReturn:
        raise _Continue

    # --- expressions --------------------------------------------------------------------

    def _spend(self, amount: int) -> None:
        self._budget -= amount
        if self._budget < 0:
            raise host.TooLarge("more work than the host does for one test")

    def _plain(self, node: ast.expr, *, statement: bool = False) -> Any:
        """Evaluate to plain data, a function, or ``DEFERRED``; ask the guest where need be."""
        value = self._evaluate(node, statement=statement)
        return self._ask_value(node, value) if isinstance(value, _Reference) else value

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
        return _Reference(node) if found is None else found[0]

    def _lookup(self, name: str) -> tuple[Any] | None:
        """Return what a name stands for on the host, or None where it is the program's."""
        for scope in reversed(self._scopes):
            if name in scope:
                return (scope[name],)
        if name in self._program.shadows:
            return None
        if name in host.BUILTINS:
            return (host.BUILTINS[name],)
        if name in host.MODULES:
            return (host.module(name, self._rng),)
        if name in _PYTHON_BUILTINS:
            raise Unsupported(f"the builtin {name}")
        return None

    def _display(self, node: Any) -> Any:
        items = self._items(node.elts)
        if items is DEFERRED:
            return DEFERRED
        return _DISPLAYS[type(node)](items)

    def _items(self, nodes: list[ast.expr]) -> Any:
        """Evaluate a list of expressions, stars unpacked; ``DEFERRED`` where any of them is."""
        items: list[Any] = []
        deferred = False
        for node in nodes:
            starred = isinstance(node, ast.Starred)
            value = self._plain(node.value if isinstance(node, ast.Starred) else node)
            if value is DEFERRED:
                deferred = True
            elif starred:
                items.extend(self._iterate(value))
            else:
                items.append(self._datum(value))
        return DEFERRED if deferred else items

    def _datum(self, value: Any) -> Any:
        if isinstance(value, _Function | host.Module):
            raise Unsupported("a function in a container")
        return value

    def _dict(self, node: ast.Dict) -> Any:
        if any(key is None for key in node.keys):
            raise Unsupported("** in a dict")
        keys = self._items([key for key in node.keys if key is not None])
        values = self._items(node.values)
        if keys is DEFERRED or values is DEFERRED:
            return DEFERRED
        return dict(zip(keys, values, strict=True))

    def _unary(self, node: ast.UnaryOp) -> Any:
        value = self._plain(node.operand)
        return value if value is DEFERRED else host.unary(type(node.op).__name__, value)

    def _binop(self, node: ast.BinOp) -> Any:
        return self._binary(node.op, self._plain(node.left), self._plain(node.right))

    def _binary(self, operator: ast.operator, left: Any, right: Any) -> Any:
        if left is DEFERRED or right is DEFERRED:
            return DEFERRED
        result = host.binary(type(operator).__name__, left, right)
        if isinstance(result, str | bytes | list | tuple | set | frozenset):
            self._spend(len(result))
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
        return host.compare(type(operator).__name__, left, right)

    def _conditional(self, node: ast.IfExp) -> Any:
        test = self._plain(node.test)
        if test is not DEFERRED:
            return self._evaluate(node.body if test else node.orelse)
        self._plain(node.body)
        self._plain(node.orelse)
        return DEFERRED

    def _subscript(self, node: ast.Subscript) -> Any:
        owner, index = self._plain(node.value), self._plain(node.slice)
        if owner is DEFERRED or index is DEFERRED:
            return DEFERRED
        if isinstance(owner, type):
            raise Unsupported("a generic type")
        result = owner[index]
        if isinstance(index, slice):
            self._spend(len(result))
        return result

    def _slice(self, node: ast.Slice) -> Any:
        parts = [None if x is None else self._plain(x) for x in (node.lower, node.upper, node.step)]
        return DEFERRED if DEFERRED in parts else slice(*parts)

    def _joined_string(self, node: ast.JoinedStr) -> Any:
        pieces: list[str] = []
        for part in node.values:
            value = self._plain(part.value if isinstance(part, ast.FormattedValue) else part)
            if isinstance(part, ast.FormattedValue) and (part.format_spec or part.conversion > 0):
                raise Unsupported("a format specification")
            if value is DEFERRED:
                return DEFERRED
            self._consume(value)
            pieces.append(str(value))
        return "".join(pieces)

    def _attribute(self, node: ast.Attribute) -> Any:
        if self._is_rooted(node.value):
            return _Reference(self._inline(node))
        owner = self._plain(node.value)
        if isinstance(owner, host.Module) and node.attr in owner.members:
            return owner.members[node.attr]
        raise Unsupported(f"the attribute {node.attr}")

    # --- comprehensions -----------------------------------------------------------------

    def _comprehension(self, node: Any) -> Any:
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        rows: list[list[Any]] = []
        with self._scope({}):
            complete = self._generate(node.generators, parts, rows)
        if not complete:
            return DEFERRED
        if isinstance(node, ast.DictComp):
            return dict(rows)
        return {x for (x,) in rows} if isinstance(node, ast.SetComp) else [x for (x,) in rows]

    def _generate(
        self, generators: list[ast.comprehension], parts: list[ast.expr], rows: list[list[Any]]
    ) -> bool:
        """Append a row for each turn; return False where a value is deferred."""
        if not generators:
            row = self._items(parts)
            rows.append([] if row is DEFERRED else row)
            return row is not DEFERRED
        first, rest = generators[0], generators[1:]
        items = self._plain(first.iter)
        if first.is_async or items is DEFERRED:
            return self._deferred_comprehension(generators, parts)
        complete = True

        def turn(item: Any) -> None:
            nonlocal complete
            self._bind(first.target, item)
            if all(self._decided(condition) for condition in first.ifs):
                complete &= self._generate(rest, parts, rows)

        self._loop(self._iterate(items), turn, [])
        return complete

    def _deferred_comprehension(
        self, generators: list[ast.comprehension], parts: list[ast.expr]
    ) -> bool:
        """Over an answer: it must wait for the second run, so nothing in it may ask for more."""
        inner = [*parts, *(g.iter for g in generators[1:]), *(c for g in generators for c in g.ifs)]
        bound = {n.id for g in generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        with self._scope(dict.fromkeys(bound, DEFERRED)):
            if not all(map(self._is_host_only, inner)):
                raise Unsupported("calls that depend on an answer")
        return False

    @contextmanager
    def _scope(self, names: dict[str, Any]) -> Iterator[None]:
        self._scopes.append(names)
        try:
            yield
        finally:
            self._scopes.pop()

    # --- calls --------------------------------------------------------------------------

    def _call(self, node: ast.Call, *, statement: bool) -> Any:
        if isinstance(node.func, ast.Attribute) and not self._is_rooted(node.func):
            owner = self._plain(node.func.value)
            if not isinstance(owner, host.Module):
                return self._method(node, node.func.attr, owner, statement=statement)
        function = self._evaluate(node.func)
        if isinstance(function, _Reference):
            return self._call_program(node, function)
        if isinstance(function, _Function):
            return self._call_defined(node, function)
        if materialized := self._materialized(node, function):
            return materialized[0]
        return self._call_host(node, function)

    def _method(self, node: ast.Call, name: str, owner: Any, *, statement: bool) -> Any:
        arguments = self._arguments(node)
        if owner is DEFERRED or arguments is DEFERRED:
            if statement or not host.is_pure_method(name):
                raise Unsupported(f"the method {name} on an answer")
            return DEFERRED
        values, keywords = arguments
        for value in (*values, *keywords.values()):
            self._consume(value)
        if name in ("index", "count", "remove"):
            self._consume(owner)
        result = host.method(owner, name, values, keywords)
        self._spend(_length(owner) + _length(result))
        return result

    def _call_host(self, node: ast.Call, function: Any) -> Any:
        if not host.is_callable(function):
            raise Unsupported("calling such a value")
        arguments = self._arguments(node)
        if arguments is DEFERRED:
            return DEFERRED
        values, keywords = arguments
        if function is not len:
            for value in (*values, *keywords.values()):
                self._consume(value)
        result = host.call(function, values, keywords)
        self._spend(_length(result))
        return result

    def _arguments(self, node: ast.Call) -> Any:
        """Return ``(values, keywords)``, or ``DEFERRED`` where one of them is."""
        values = self._items(node.args)
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self._plain(keyword.value)
            if value is DEFERRED:
                values = DEFERRED
            elif keyword.arg is None:
                keywords |= value
            else:
                keywords[keyword.arg] = value
        return DEFERRED if values is DEFERRED else (values, keywords)

    def _call_defined(self, node: ast.Call, function: _Function) -> Any:
        if self._depth >= _MAX_CALL_DEPTH:
            raise Unsupported("recursion")
        names = [a.arg for a in (*function.arguments.posonlyargs, *function.arguments.args)]
        first_default = len(names) - len(function.defaults)
        local = dict(zip(names[first_default:], function.defaults, strict=True))
        if any(isinstance(a, ast.Starred) for a in node.args) or any(
            k.arg is None for k in node.keywords
        ):
            raise Unsupported("stars in a call")
        local |= zip(names, map(self._bindable, node.args), strict=False)
        local |= {str(k.arg): self._bindable(k.value) for k in node.keywords}
        if set(local) != set(names) or len(node.args) > len(names):
            raise Unsupported("a call that does not fit the function's parameters")
        return self._body(function, local, id(node))

    def _body(self, function: _Function, local: dict[str, Any], place: int) -> Any:
        outer, self._scopes = self._scopes, [*function.scopes, local]
        self._turns.append(place)
        self._depth += 1
        try:
            self._block(function.body)
        except _Return as result:
            return result.value
        finally:
            self._depth -= 1
            self._turns.pop()
            self._scopes = outer
        return None

    # --- the program --------------------------------------------------------------------

    def _is_rooted(self, node: ast.expr) -> bool:
        """Whether ``node`` is a chain of attributes, calls and items from a program's name."""
        name = _root(node)
        return name != "" and self._is_programs(name)

    def _is_programs(self, name: str) -> bool:
        found = self._lookup(name)
        return found is None or isinstance(found[0], _Reference)

    def _is_host_only(self, node: ast.AST) -> bool:
        """Whether nothing in ``node`` needs the program. Names bound inside count as the host's."""
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        inner = {n.id for n in names if isinstance(n.ctx, ast.Store)}
        if any(isinstance(n, ast.Lambda) for n in ast.walk(node)):
            return False
        return not any(
            self._is_programs(n.id) or isinstance((self._lookup(n.id) or (None,))[0], _Function)
            for n in names
            if n.id not in inner
        )

    def _call_program(self, node: ast.Call, function: _Reference) -> Any:
        target = self._call_target(function.node)
        arguments = [*node.args, *(k.value for k in node.keywords)]
        if target is None or not all(map(self._is_host_only, arguments)):
            return _Reference(self._inline(node))
        given = self._arguments(node)
        if given is DEFERRED:
            raise Unsupported("a call that depends on an answer")
        if any(map(callable, (*given[0], *given[1].values()))):
            return _Reference(self._inline(node))  # ``f(x, int)``: the guest has that name too
        return self._ask_call(node, target, given, None)

    def _call_target(self, node: ast.expr) -> str | None:
        """Name a function, or a method on a fresh instance, as a call test does."""
        if isinstance(node, ast.Name):
            return None if node.id in self._program.classes else node.id
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Call):
            return None
        made = node.value
        if made.args or made.keywords or not isinstance(made.func, ast.Name):
            return None
        return f"{made.func.id}.{node.attr}" if made.func.id in self._program.classes else None

    def _ask_call(
        self,
        node: ast.Call,
        target: str,
        given: tuple[list[Any], dict[str, Any]],
        materialize: str | None,
    ) -> Any:
        values, keywords = given
        if self._calls.collecting:
            self._lend(node, [*values, *keywords.values()])

        def form() -> dict[str, Any]:
            try:
                arguments = [codec.encode(value) for value in values]
                named = [[name, codec.encode(value)] for name, value in keywords.items()]
            except codec.NotPlain as error:
                raise Unsupported(f"an argument that is {error}") from None
            return {
                "kind": "call",
                "function": target,
                "args": arguments,
                "kwargs": named,
                "materialize": materialize,
            }

        return self._calls.ask(self._key(node), form)

    def _ask_value(self, node: ast.expr, reference: _Reference) -> Any:
        made = reference.node
        callee = made.func if isinstance(made, ast.Call) else None
        if isinstance(callee, ast.Name) and callee.id in self._program.classes:
            raise Unsupported("an object of the program's as a value")
        return self._ask_expression(node, made)

    def _ask_expression(self, node: ast.expr, expression: ast.expr) -> Any:
        source = ast.unparse(expression)
        self._spend(len(source) >> 4)
        return self._calls.ask(self._key(node), lambda: {"kind": "eval", "expression": source})

    def _key(self, node: ast.expr) -> Key:
        return (id(node), *self._turns)

    def _materialized(self, node: ast.Call, function: Any) -> tuple[Any] | None:
        """``list(f(x))`` and its kin: let the guest apply the builtin, so that ``f`` may return
        an iterator. None where the call has another form."""
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name not in host.MATERIALIZERS or function is not host.BUILTINS[name]:
            return None
        if node.keywords or len(node.args) != 1 or not isinstance(node.args[0], ast.Call):
            return None
        inner = node.args[0]
        if not self._is_rooted(inner):
            return None
        callee = self._evaluate(inner.func)
        if not isinstance(callee, _Reference):
            return None
        return (self._ask_materialized(name, inner, callee),)

    def _ask_materialized(self, name: str, inner: ast.Call, callee: _Reference) -> Any:
        target = self._call_target(callee.node)
        arguments = [*inner.args, *(k.value for k in inner.keywords)]
        if target is not None and all(map(self._is_host_only, arguments)):
            given = self._arguments(inner)
            if given is DEFERRED:
                raise Unsupported("a call that depends on an answer")
            return self._ask_call(inner, target, given, name)
        function = ast.Name(name, ast.Load())
        return self._ask_expression(inner, ast.Call(function, [self._inline(inner)], []))

    # --- expressions as source ----------------------------------------------------------

    def _inline(self, node: ast.expr) -> ast.expr:
        """Return ``node`` with everything the host knows written as literals."""
        if isinstance(node, ast.Constant):
            return node
        if isinstance(node, ast.Name):
            return self._inline_name(node)
        if isinstance(
            node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
        ):
            return self._inline_scope(node)
        if not isinstance(node, ast.Starred) and self._is_host_only(node):
            return self._as_source(self._plain(node))
        fields = {name: self._inline_field(value) for name, value in ast.iter_fields(node)}
        return ast.copy_location(type(node)(**fields), node)

    def _inline_field(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._inline_field(item) for item in value]
        if isinstance(value, ast.keyword):
            return ast.keyword(value.arg, self._inline(value.value))
        return self._inline(value) if isinstance(value, ast.expr) else value

    def _inline_name(self, node: ast.Name) -> ast.expr:
        found = self._lookup(node.id)
        if found is None:
            return node
        value = found[0]
        if isinstance(value, _Reference):
            return value.node
        return node if host.BUILTINS.get(node.id) is value else self._as_source(value)

    def _inline_scope(self, node: ast.expr) -> ast.expr:
        """A lambda or comprehension goes as it is, if it needs none of the test code's names."""
        bound = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        bound |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
        for name in {n.id for n in names} - bound:
            found = self._lookup(name)
            if found is not None and host.BUILTINS.get(name) is not found[0]:
                raise Unsupported("a function over the test code's own names")
        return node

    def _as_source(self, value: Any) -> ast.expr:
        if value is DEFERRED:
            raise Unsupported("a call that depends on an answer")
        try:
            codec.encode(value)
        except codec.NotPlain as error:
            raise Unsupported(f"an argument that is {error}") from None
        source = literal(value, _MAX_SOURCE)
        self._spend(len(source) >> 4)
        if len(source) >= _MAX_SOURCE:
            raise host.TooLarge("an argument too large to write out")
        return ast.Name(f"({source})", ast.Load())  # unparse prints a name as it stands

    # --- values that the program may have changed ---------------------------------------

    def _lend(self, node: ast.Call, values: list[Any]) -> None:
        """Remember the test code's own containers that a call got: the program has copies, so
        what it did to them does not show here, and no assertion may look."""
        arguments = [*node.args, *(k.value for k in node.keywords)]
        if not any(isinstance(n, ast.Name) for a in arguments for n in ast.walk(a)):
            return
        pending = list(values)
        while pending:
            value = pending.pop()
            self._spend(1)
            if type(value) in (list, dict, set):
                self._lent[id(value)] = value
            if type(value) is dict:
                pending.extend(value.values())
            elif type(value) in (list, tuple):
                pending.extend(value)

    def _consume(self, value: Any) -> None:
        """Charge for looking at all of ``value``; refuse what a call may have changed."""
        if isinstance(value, _Function | _Reference | host.Module):
            raise Unsupported("a function as a value")
        self._spend(host.size(value))
        if self._lent and self._holds_lent(value):
            raise Unsupported("a value that the program may have changed")

    def _holds_lent(self, value: Any) -> bool:
        if id(value) in self._lent:
            return True
        if type(value) is dict:
            return any(map(self._holds_lent, value.values()))
        return type(value) in (list, tuple) and any(map(self._holds_lent, value))


def _root(node: ast.expr) -> str:
    """Return the name that a chain of attributes, calls and items starts from, or ``""``."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _length(value: Any) -> int:
    return (
        len(value) if isinstance(value, str | bytes | list | tuple | set | frozenset | dict) else 1
    )


def _has_identity(left: Any, right: Any) -> bool:
    """Whether ``is`` means the same for a copy of the value: None, booleans and types."""
    return any(x is None or isinstance(x, bool | type) for x in (left, right))


_DISPLAYS: dict[type[ast.expr], Callable[[list[Any]], Any]] = {
    ast.List: list,
    ast.Tuple: tuple,
    ast.Set: set,
}
_STATEMENTS: dict[type[ast.stmt], Callable[[Interpreter, Any], None]] = {
    ast.AnnAssign: Interpreter._annotated,
    ast.Assert: Interpreter._assert,
    ast.Assign: Interpreter._assign,
    ast.AugAssign: Interpreter._augmented,
    ast.Break: Interpreter._break,
    ast.Continue: Interpreter._continue,
    ast.Expr: Interpreter._expression,
    ast.For: Interpreter._for,
    ast.FunctionDef: Interpreter._define,
    ast.If: Interpreter._if,
    ast.Import: Interpreter._import,
    ast.ImportFrom: Interpreter._import_from,
    ast.Pass: Interpreter._pass,
    ast.Return: Interpreter._return,
    ast.While: Interpreter._while,
}
_EXPRESSIONS: dict[type[ast.expr], Callable[[Interpreter, Any], Any]] = {
    ast.Attribute: Interpreter._attribute,
    ast.BinOp: Interpreter._binop,
    ast.BoolOp: Interpreter._bool,
    ast.Compare: Interpreter._compare,
    ast.Constant: Interpreter._constant,
    ast.Dict: Interpreter._dict,
    ast.DictComp: Interpreter._comprehension,
    ast.GeneratorExp: Interpreter._comprehension,
    ast.IfExp: Interpreter._conditional,
    ast.JoinedStr: Interpreter._joined_string,
    ast.List: Interpreter._display,
    ast.ListComp: Interpreter._comprehension,
    ast.Name: Interpreter._name,
    ast.Set: Interpreter._display,
    ast.SetComp: Interpreter._comprehension,
    ast.Slice: Interpreter._slice,
    ast.Subscript: Interpreter._subscript,
    ast.Tuple: Interpreter._display,
    ast.UnaryOp: Interpreter._unary,
}
