"""What can go wrong between the trainer and the executor.

A failing *program* is never an exception: it is a verdict in a result. These are failures of
the request or of the service, and mean that there is **no verdict**::

    ExecutorError
    ├── InvalidRequest       a program or a setting breaks the contract (also the server's 422)
    ├── Unauthorized         the API key is missing or wrong (401, 403)
    ├── RequestTooLarge      one program alone is too large for the server (413)
    ├── Overloaded           the service had no room within the deadline (429, 503)
    ├── ConnectionFailed     could not be reached, or the connection broke (also 502, 504)
    ├── DeadlineExceeded     reached, but did not answer within the deadline
    └── ProtocolError        answered something that the contract does not allow

``Overloaded``, ``ConnectionFailed`` and ``ProtocolError`` have been retried before they are
raised; the first three are the caller's to mend and never are.
"""

from dataclasses import dataclass
from typing import Any

__all__ = [
    "ConnectionFailed",
    "DeadlineExceeded",
    "ExecutorError",
    "FieldProblem",
    "InvalidRequest",
    "Overloaded",
    "ProtocolError",
    "RequestTooLarge",
    "Unauthorized",
]


class ExecutorError(Exception):
    """Base of everything that this package raises about the service: there is no verdict."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong in a request."""

    path: str
    """For example ``programs[3].limits.cpu_seconds``, counted in the caller's own list."""
    message: str
    value: Any = None
    index: int | None = None
    """The program's position in the caller's own list; None where it is not a program's."""
    program_id: str = ""


class InvalidRequest(ExecutorError):
    """The request breaks the contract. ``problems`` names each field."""

    def __init__(self, message: str, problems: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class Unauthorized(ExecutorError):
    """The service does not accept the API key."""


class RequestTooLarge(ExecutorError):
    """The server refuses the size of one single program; more than one are split before."""


class Overloaded(ExecutorError):
    """No room in the queue. ``retry_after`` is what the server asked for, in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConnectionFailed(ExecutorError):
    """No connection, or it ended before the whole answer had arrived."""


class DeadlineExceeded(ExecutorError):
    """The answer did not come in time."""


class ProtocolError(ExecutorError):
    """The answer is not one that the contract allows: wrong server, proxy, or version?"""
