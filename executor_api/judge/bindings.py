"""What names stand for in test code, and the turns of its loops."""

import ast
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from executor_api.judge import bounds
from executor_api.judge.bounds import Unsupported
from executor_api.judge.references import DEFERRED, Function, Reference, References

__all__ = ["Bindings", "Break", "Continue"]


class Break(Exception):
    """Leaves the innermost loop."""


class Continue(Exception):
    """Ends a turn of the innermost loop."""


class Bindings(References):
    """Binds targets to values, item by item in a loop."""

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
            items = list(self._iterate(self._lent.unchanged(value)))
        if len(items) != len(targets):
            raise ValueError(f"expected {len(targets)} values to unpack, got {len(items)}")
        for target, item in zip(targets, items, strict=True):
            self._bind(target, item)

    def _store(self, target: ast.Subscript, value: Any) -> None:
        owner, index = self._plain(target.value), self._plain(target.slice)
        if DEFERRED in (owner, index) or value is DEFERRED or type(owner) not in (list, dict):
            raise Unsupported("assignment to an item")
        if isinstance(value, Reference | Function):
            raise Unsupported("a function in a container")
        self._consume(index)
        owner[index] = value
        if len(owner) & (len(owner) - 1) == 0 and type(owner) is dict:  # now and then
            bounds.refuse_collisions(list(owner))

    def _decided(self, node: ast.expr) -> bool:
        value = self._plain(node)
        if value is DEFERRED:
            raise Unsupported("control flow that depends on an answer")
        return bool(value)

    def _loop(self, items: Iterable[Any], turn: Callable[[Any], None]) -> bool:
        """Count the turns, for the place of a call; return whether no ``break`` ended them."""
        self._turns.append(-1)
        try:
            for item in items:
                self._turns[-1] += 1
                with suppress(Continue):
                    turn(item)
        except Break:
            return False
        finally:
            self._turns.pop()
        return True

    def _iterate(self, value: Any) -> Iterator[Any]:
        for item in value:
            self._spend(1)
            yield item
