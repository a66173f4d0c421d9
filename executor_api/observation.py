"""What one run in the sandbox did, as the host knows it: the judge's only evidence."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from executor_api.guest import codec
from executor_api.wire import ExceptionInfo


class End(StrEnum):
    """How the program's process stood when the test was over, seen by the supervisor."""

    ANSWERED = "answered"
    EXITED = "exited"
    SIGNALED = "signaled"
    CPU_LIMIT = "cpu_limit"
    WALL_LIMIT = "wall_limit"
    OUTPUT_LIMIT = "output_limit"
    MEMORY_LIMIT = "memory_limit"
    NOT_RUN = "not_run"
    LOST = "lost"
    """No sandbox could answer: ours."""


class Outcome(StrEnum):
    """What the process said of the test, where it answered. The program could have forged it,
    and with it only its own answer: the expectation is not in the sandbox."""

    RETURNED = "returned"
    RAISED = "raised"
    EXITED = "exited"
    INVALID = "invalid"
    COMPILE_ERROR = "compile_error"
    MEMORY = "memory"


class _NoValue:
    def __repr__(self) -> str:
        return "NO_VALUE"


NO_VALUE: Final = _NoValue()


@dataclass(frozen=True, slots=True)
class Observation:
    end: End
    code: int | None = None
    """Exit status or signal number, for ``EXITED`` and ``SIGNALED``."""
    outcome: Outcome | None = None
    """Only with ``ANSWERED``."""
    value: Any = NO_VALUE
    status: int | None = None
    """Of ``sys.exit``, with ``Outcome.EXITED``."""
    message: str | None = None
    exception: ExceptionInfo | None = None
    stdout: str = ""
    """Undecodable bytes are lone surrogates here: they equal no expected text."""
    stderr: str = ""
    truncated: bool = False
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    memory_mb: float = 0.0
    payload_bytes: int = 0
    """What it was read from: the reading and the judging take time in proportion."""


def from_frame(header: dict[str, Any], payload: bytes, output_bytes: int) -> Observation:
    """Read a ``test`` frame. The header is the supervisor's, the payload the program's: whatever
    it holds, this returns an observation (``Outcome.INVALID`` where it makes no sense) with at
    most ``output_bytes`` of either output."""
    end = End(header["end"])
    measured: dict[str, Any] = {
        "end": end,
        "code": header.get("code"),
        "wall_seconds": float(header["wall"]),
        "memory_mb": float(header["memory"]),
        "cpu_seconds": float(header["cpu"]),
        "payload_bytes": len(payload),
    }
    try:
        _check_size(payload)
        body = json.loads(payload) if payload else {}
        if end is End.ANSWERED:
            measured["outcome"] = Outcome(body["outcome"])
        measured |= _claims(body, output_bytes)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if end is not End.ANSWERED:
            return Observation(**measured)
        message = str(error) if isinstance(error, codec.NotPlain) else "malformed answer"
        return Observation(**measured | {"outcome": Outcome.INVALID, "message": message})
    return Observation(**measured)


_CHARS = 500
_MOST_SEPARATORS = 5 * codec.MAX_ITEMS
"""More than ``codec.encode`` writes."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"')


def _check_size(payload: bytes) -> None:
    """Small values take 40 times their text once they are read: ``ValueError`` for more of them
    than an honest answer has."""
    suspicious = _separators(payload) > _MOST_SEPARATORS
    if suspicious and _separators(_STRING.sub(b"", payload)) > _MOST_SEPARATORS:
        raise ValueError("more values than an answer has")


def _separators(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


_MEASURED = (("cpu", "cpu_seconds"), ("wall", "wall_seconds"), ("memory", "memory_mb"))


def _claims(body: dict[str, Any], output_bytes: int) -> dict[str, Any]:
    """The fields of a payload, each checked for its type and cut to its bound."""
    stdout, stderr = (_text(body.get(name, "")) for name in ("stdout", "stderr"))
    claims: dict[str, Any] = {
        "stdout": stdout[:output_bytes],
        "stderr": stderr[:output_bytes],
        "truncated": body.get("truncated") is True or max(len(stdout), len(stderr)) > output_bytes,
    }
    if body.get("message") is not None:
        claims["message"] = _text(body["message"])[:_CHARS]
    for field, name in _MEASURED:
        if type(body.get(field)) in (int, float) and 0 <= body[field] < 1e9:
            claims[name] = float(body[field])
    if type(body.get("status")) is int:
        claims["status"] = body["status"]
    if body.get("exception") is not None:
        claims["exception"] = _exception(ExceptionInfo.model_validate(body["exception"]))
    if body.get("outcome") == Outcome.RETURNED and "value" in body:
        claims["value"] = codec.decode(body["value"])
    return claims


def _exception(claimed: ExceptionInfo) -> ExceptionInfo:
    cut = {"type": claimed.type[:_CHARS], "message": claimed.message[:_CHARS]}
    return claimed.model_copy(update=cut)


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError("not text")
    return value
