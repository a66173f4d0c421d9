"""What the program got of the test code's own: it has copies, so what it did to them does not show
here, and no assertion may look.
"""

from collections.abc import Iterable
from typing import Any

from executor_api.judge.bounds import Unsupported

__all__ = ["Lent"]


class Lent:
    """The containers that were given away, by identity."""

    def __init__(self) -> None:
        self._containers: dict[int, Any] = {}

    def remember(self, values: Iterable[Any]) -> None:
        """Remember containers of a size that somebody has bounded."""
        pending = list(values)
        while pending:
            value = pending.pop()
            if type(value) in (list, dict, set):
                self._containers[id(value)] = value
            if type(value) is dict:
                pending.extend(value.values())
            elif type(value) in (list, tuple):
                pending.extend(value)

    def unchanged(self, value: Any) -> Any:
        """Return ``value`` itself, of whose items nothing is said; refuse it where it was lent."""
        if self._containers and id(value) in self._containers:
            raise Unsupported("a value that the program may have changed")
        return value

    def check(self, value: Any) -> None:
        """Refuse ``value`` where it, or anything in it, was lent."""
        if self._containers and self._holds(value):
            raise Unsupported("a value that the program may have changed")

    def _holds(self, value: Any) -> bool:
        if id(value) in self._containers:
            return True
        if type(value) is dict:
            return any(map(self._holds, value.values()))
        return type(value) in (list, tuple) and any(map(self._holds, value))
