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
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from executor_api.judge import functions
from executor_api.judge.bindings import Break, Continue
from executor_api.judge.bounds import Unsupported
from executor_api.judge.expressions import Expressions
from executor_api.judge.literals import literal
from executor_api.judge.references import DEFERRED, Calls, Function, Program, Reference, Work
from executor_api.judge.syntax import arguments_of, root

__all__ = ["AssertionFailed", "Interpreter"]

_MAX_CALL_DEPTH = 20


class AssertionFailed(Exception):
    """An assertion does not hold. ``found`` is the literal of what it looked at: the left side
    of a comparison, or else its whole value."""

    def __init__(self, node: ast.Assert, found: str) -> None:
        super().__init__(found)
        self.node = node
        self.found = found


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class Interpreter(Expressions):
    """One run of one piece of test code.

    After it: ``assertions`` is how many were executed, ``self_judged`` whether one was nothing
    but the program's own opinion of its own results.
    """

    def __init__(
        self,
        tree: ast.Module,
        seed: str,
        program: Program,
        calls: Calls,
        work: Work | None = None,
    ) -> None:
        super().__init__(seed, program, calls, work)
        self._tree = tree
        self._depth = 0
        self.assertions = 0
        self.self_judged = False

    def run(self) -> None:
        """Raise ``AssertionFailed``, ``Unsupported``, what ``calls`` raises, or what the test
        code itself would raise (``TypeError`` and the like)."""
        self._block(self._tree.body)

    def _block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._spend(1)
            execute = _STATEMENTS.get(type(statement))
            if execute is None:
                raise Unsupported(f"the statement {type(statement).__name__}")
            execute(self, statement)

    def _is_certain(self, node: ast.AST) -> bool:
        known = type(node) in _STATEMENTS if isinstance(node, ast.stmt) else True
        return known and super()._is_certain(node)

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
        results, or compares nothing but these: nothing in such an assertion is judged on the
        host."""
        if isinstance(node, ast.BoolOp):
            return any(map(self._only_programs_opinion, node.values))
        if isinstance(node, ast.UnaryOp):
            return self._only_programs_opinion(node.operand)
        if isinstance(node, ast.Compare):
            others = [node.left, *node.comparators]
            if all(isinstance(x, ast.Call) and self._is_rooted(x) for x in others):
                return True  # ``fast(n) == slow(n)``
            constant = [isinstance(x, ast.Constant) and type(x.value) is bool for x in others]
            return sum(constant) == 1 and any(map(self._only_programs_opinion, others))
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            return self._only_programs_opinion(node.elt)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("all", "any"):
            return any(map(self._only_programs_opinion, node.args))
        if not isinstance(node, ast.Call) or not self._is_rooted(node):
            return False
        if self._lookup(root(node)) is not None:  # the candidate, on arguments it is given
            return False
        return any(
            isinstance(inner, ast.Call)
            and self._is_rooted(inner)
            and root(inner) not in self._program.classes
            for argument in arguments_of(node)
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
        value = self._handed_on(node)
        if isinstance(value, Reference):
            self._check_stateless(value)
        return value

    def _check_stateless(self, reference: Reference) -> None:
        """An expression is evaluated anew at each use, so no object with a state may hide in it.
        ``Solution()`` has none, by the convention of the sites it comes from."""
        for node in ast.walk(reference.node):
            if isinstance(node, ast.Call) and ast.unparse(node) != "Solution()":
                raise Unsupported("an object of the program's in a variable")

    def _if(self, node: ast.If) -> None:
        self._block(node.body if self._decided(node.test) else node.orelse)

    def _for(self, node: ast.For) -> None:
        items = self._plain(node.iter)
        if items is DEFERRED:
            raise Unsupported("a loop over an answer")

        def turn(item: Any) -> None:
            self._bind(node.target, item)
            self._block(node.body)

        if self._loop(self._iterate(items), turn):
            self._block(node.orelse)

    def _while(self, node: ast.While) -> None:
        def turns() -> Iterator[None]:
            while self._decided(node.test):
                yield None

        if self._loop(turns(), lambda _: self._block(node.body)):
            self._block(node.orelse)

    def _define(self, node: ast.FunctionDef) -> None:
        arguments = node.args
        if node.decorator_list or arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
            raise Unsupported("such a function definition")
        defaults = [self._plain(default) for default in arguments.defaults]
        scopes = list(self._scopes)
        function = Function(node.name, arguments, node.body, scopes, defaults)
        self._scopes[-1][node.name] = function

    def _return(self, node: ast.Return) -> NoReturn:
        if not self._depth:
            raise Unsupported("return outside a function")
        raise _Return(None if node.value is None else self._evaluate(node.value))

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._scopes[-1][alias.asname or alias.name] = functions.module(alias.name, self._rng)

    def _import_from(self, node: ast.ImportFrom) -> None:
        if node.module == "typing" and not node.level:
            return
        if node.module == "solution" and not node.level:
            self._import_program(node.names)
            return
        members = functions.module(node.module or "", self._rng).members
        for alias in node.names:
            if node.level or alias.name not in members:
                raise Unsupported(f"importing {alias.name}")
            self._scopes[-1][alias.asname or alias.name] = members[alias.name]

    def _import_program(self, names: list[ast.alias]) -> None:
        """As the program's module is called, for tests that import what they test."""
        for alias in names:
            name = alias.asname or alias.name
            if alias.asname or (alias.name != "*" and not self._is_programs(name)):
                self._scopes[-1][name] = Reference(ast.Name(alias.name, ast.Load()))

    def _pass(self, node: ast.stmt) -> None:
        pass

    def _break(self, node: ast.Break) -> NoReturn:
        raise Break

    def _continue(self, node: ast.Continue) -> NoReturn:
        raise Continue

    def _call_defined(self, node: ast.Call, function: Function) -> Any:
        if self._depth >= _MAX_CALL_DEPTH:
            raise Unsupported("recursion")
        names = function.parameters
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

    def _body(self, function: Function, local: dict[str, Any], place: int) -> Any:
        self._turns.append(place)
        self._depth += 1
        try:
            with self._within([*function.scopes, local]):
                self._block(function.body)
        except _Return as result:
            return result.value
        finally:
            self._depth -= 1
            self._turns.pop()
        return None


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
