"""What test code says of the program, without running any of it: references to its names,
calls as guest tests, and expressions over both written out as source for the guest.
"""

import ast
import builtins
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from executor_api.guest import codec
from executor_api.judge import bounds, functions
from executor_api.judge.bounds import TooLarge, Unsupported
from executor_api.judge.lent import Lent
from executor_api.judge.literals import literal
from executor_api.judge.syntax import arguments_of, free_names, root

__all__ = [
    "DEFERRED",
    "ITERATED",
    "ITERATING",
    "ITERATING_METHODS",
    "MATERIALIZERS",
    "VIEWS",
    "Calls",
    "Function",
    "Key",
    "Program",
    "Reference",
    "References",
    "Work",
]

Key = tuple[int, ...]
"""A call's place: the id of its syntax node, then the loop turns around it."""

VIEWS = frozenset({"items", "keys", "values"})
"""Methods whose result is not plain data, so that the host must call them."""

MATERIALIZERS = frozenset({"list", "tuple", "set", "sorted"})
"""Builtins that the guest can apply to what a call returned, iterators included."""

ITERATED = "iterated"
"""Instead of one of these: the guest lists what is not plain and can be iterated."""
ITERATING = frozenset(
    ["all", "any", "dict", "enumerate", "filter", "frozenset", "map", "max", "min", "sum", "zip"]
)
"""Builtins that do nothing with such an argument but iterate."""
ITERATING_METHODS = frozenset({"extend", "issubset", "issuperset", "join", "union", "update"})

_BUDGET = 500_000
_PROGRAM_BUDGET = 20_000_000
_MAX_SOURCE = 1_000_000
_PYTHON_BUILTINS = frozenset(dir(builtins))


class _Deferred:
    def __repr__(self) -> str:
        return "DEFERRED"


DEFERRED: Final = _Deferred()
"""What stands for an answer that is not there yet, and for all that is computed from one."""


class Calls(Protocol):
    """Where the interpreter's calls to the program go."""

    collecting: bool

    def ask(self, key: Key, form: Callable[[], dict[str, Any]]) -> Any:
        """Return the program's answer to the guest test, or ``DEFERRED``."""


@dataclass(slots=True)
class Work:
    """What the host still does for the test code of one program, all its tests together."""

    left: int = _PROGRAM_BUDGET


@dataclass(frozen=True, slots=True)
class Program:
    """What the test code may know of the program: which names are its own."""

    classes: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    shadows: frozenset[str] = frozenset()
    """Names of builtins that stand for the program's own definitions in this test code."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An expression over the program's names, not evaluated: it exists only in the sandbox."""

    node: ast.expr


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the test code defines."""

    name: str
    arguments: ast.arguments
    body: list[ast.stmt]
    scopes: list[dict[str, Any]]
    defaults: list[Any]

    @property
    def parameters(self) -> list[str]:
        return [a.arg for a in (*self.arguments.posonlyargs, *self.arguments.args)]


class References(ABC):
    """The state of one run of test code, and its dealings with the program."""

    def __init__(self, seed: str, program: Program, calls: Calls, work: Work | None = None) -> None:
        self._work = work or Work()
        self._program = program
        self._calls = calls
        self._scopes: list[dict[str, Any]] = [{}]
        self._turns: list[int] = []
        self._budget = _BUDGET
        self._lent = Lent()
        self._rng = random.Random(seed)

    @abstractmethod
    def _plain(self, node: ast.expr) -> Any:
        """Evaluate to plain data, a function, or ``DEFERRED``; ask the guest where need be."""

    @abstractmethod
    def _evaluate(self, node: ast.expr) -> Any:
        """As ``_plain``, but an expression that only the guest can evaluate stays a reference."""

    @abstractmethod
    def _arguments(self, node: ast.Call, *, passed: bool = False, iterated: bool = False) -> Any:
        """Return ``(values, keywords)``, or ``DEFERRED`` where one of them is. ``passed``: to the
        program, which may get what it got before. ``iterated``: to what only iterates."""

    def _spend(self, amount: int) -> None:
        self._budget -= amount
        self._work.left -= amount
        if self._budget < 0 or self._work.left < 0:
            raise TooLarge("more work than the host does for one test")

    def _lookup(self, name: str) -> tuple[Any] | None:
        """Return what a name stands for on the host, or None where it is the program's."""
        for scope in reversed(self._scopes):
            if name in scope:
                return (scope[name],)
        if name in self._program.shadows:
            return None
        if name in functions.BUILTINS:
            return (functions.BUILTINS[name],)
        if name in functions.MODULES:
            return (functions.module(name, self._rng),)
        if name in _PYTHON_BUILTINS:
            raise Unsupported(f"the builtin {name}")
        return None

    def _is_rooted(self, node: ast.expr) -> bool:
        """Whether ``node`` is a chain of attributes, calls and items from a program's name."""
        name = root(node)
        return name != "" and self._is_programs(name)

    def _is_programs(self, name: str) -> bool:
        found = self._lookup(name)
        return found is None or isinstance(found[0], Reference)

    def _is_host_only(self, node: ast.AST, reached: dict[int, Function] | None = None) -> bool:
        """Whether nothing in ``node`` needs the program, nor in any function of the test code's
        that it reaches; these are added to ``reached``."""
        known = {} if reached is None else reached
        return all(self._is_hosts(name, known) for name in free_names(node))

    def _is_hosts(self, name: str, reached: dict[int, Function]) -> bool:
        found = self._lookup(name)
        if found is None or isinstance(found[0], Reference):
            return False
        function = found[0]
        if not isinstance(function, Function) or id(function) in reached:
            return True
        reached[id(function)] = function
        with self._within([*function.scopes, dict.fromkeys(function.parameters)]):
            return self._is_host_only(ast.Module(function.body, []), reached)

    @contextmanager
    def _within(self, scopes: list[dict[str, Any]]) -> Iterator[None]:
        outer, self._scopes = self._scopes, scopes
        try:
            yield
        finally:
            self._scopes = outer

    def _call_program(self, node: ast.Call, function: Reference) -> Any:
        target = self._call_target(function.node)
        given = self._given(node) if target else None
        if target is None or given is None:
            return Reference(self._inline_call(node, function))
        return self._ask_call(node, target, given, None)

    def _given(self, node: ast.Call) -> tuple[list[Any], dict[str, Any]] | None:
        """Return the arguments of a call as values; None where the guest has to evaluate one."""
        arguments = arguments_of(node)
        if not all(map(self._is_host_only, arguments)) or any(map(self._is_function, arguments)):
            return None
        given = self._arguments(node, passed=True)
        if given is DEFERRED:
            raise Unsupported("a call that depends on an answer")
        values, keywords = given
        return values, keywords

    def _is_function(self, node: ast.expr) -> bool:
        """``f(x, int)``: not plain data, and the guest has that name too. Told without evaluating,
        which is for once: ``f(xs.pop(), int)``."""
        if isinstance(node, ast.Name):
            found = self._lookup(node.id)
            return found is not None and callable(found[0])
        return isinstance(node, ast.Lambda)

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
        everything = [*values, *keywords.values()]
        self._spend(bounds.size(everything))
        if self._calls.collecting and any(map(_names_something, arguments_of(node))):
            self._lent.remember(everything)

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

    def _ask_value(self, node: ast.expr, reference: Reference) -> Any:
        made = reference.node
        program = self._program
        callee = made.func if isinstance(made, ast.Call) else None
        if isinstance(callee, ast.Name) and callee.id in program.classes:
            raise Unsupported("an object of the program's as a value")
        if isinstance(made, ast.Name) and made.id in program.classes | program.functions:
            raise Unsupported("a function of the program's as a value")
        return self._ask_expression(node, made)

    def _ask_expression(
        self, node: ast.expr, expression: ast.expr, materialize: str | None = None
    ) -> Any:
        source = ast.unparse(expression)
        self._spend(len(source) >> 4)
        form = {"kind": "eval", "expression": source}
        if materialize is not None:
            form["materialize"] = materialize
        return self._calls.ask(self._key(node), lambda: form)

    def _key(self, node: ast.expr) -> Key:
        return (id(node), *self._turns)

    def _ask_materialized(self, name: str, inner: ast.Call, callee: Reference) -> Any:
        target = self._call_target(callee.node)
        given = self._given(inner) if target else None
        if target is None or given is None:
            return self._ask_expression(inner, self._inline_call(inner, callee), name)
        return self._ask_call(inner, target, given, name)

    def _inline_call(self, node: ast.Call, callee: Reference) -> ast.expr:
        """As ``_inline``, of a call whose callee is evaluated already."""
        arguments, keywords = map(self._inline_field, (node.args, node.keywords))
        return ast.copy_location(ast.Call(callee.node, arguments, keywords), node)

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
        if isinstance(value, Reference):
            return value.node
        if functions.BUILTINS.get(node.id) is value:
            return node
        return self._as_source(value)

    def _inline_scope(self, node: ast.expr) -> ast.expr:
        """A lambda or comprehension goes as it is, if it needs none of the test code's names."""
        for name in free_names(node):
            found = self._lookup(name)
            if found is not None and functions.BUILTINS.get(name) is not found[0]:
                raise Unsupported("a function over the test code's own names")
        return node

    def _as_source(self, value: Any) -> ast.expr:
        if value is DEFERRED:
            raise Unsupported("a call that depends on an answer")
        try:
            codec.encode(value)
        except codec.NotPlain as error:
            raise Unsupported(f"an argument that is {error}") from None
        if self._calls.collecting:
            self._lent.remember([value])
        source = literal(value, _MAX_SOURCE)
        self._spend(len(source) >> 4)
        if len(source) >= _MAX_SOURCE:
            raise TooLarge("an argument too large to write out")
        return ast.Name(f"({source})", ast.Load())  # unparse prints a name as it stands

    def _consume(self, value: Any) -> None:
        """Charge for looking at all of ``value``; refuse what a call may have changed."""
        if isinstance(value, Function | Reference | functions.Module):
            raise Unsupported("a function as a value")
        self._spend(bounds.size(value))
        self._lent.check(value)


def _names_something(node: ast.expr) -> bool:
    """Whether a value of ``node`` may be found again, by a name: no literal's can."""
    return any(isinstance(part, ast.Name) for part in ast.walk(node))
