"""The records that the guest's tracer writes, as the host reads them.

A program shares its process with the tracer, so it can forge any record: each is checked before it
counts, and a trace is not complete where one made no sense.
"""

import json
from collections.abc import Callable
from typing import Any, Literal

from executor_api.coverage import Notes
from executor_api.observation import End, Observation, Outcome
from executor_api.wire import LastDefinition, TraceEvent, TraceFrame, TraceLimits

__all__ = ["Records", "clean"]

_Reason = Literal["end", "events", "bytes", "hook_lost", "killed"]
_REASONS: tuple[_Reason, ...] = ("end", "events", "bytes", "hook_lost", "killed")
_KINDS = ("call", "line", "return", "yield", "exception")
_WITH_RESULT = ("return", "yield", "exception")
_COUNTED = ("frame", "event", "final", "stdout")
_LAST_RECORDS = 5  # what the guest writes at the very end matters most
_MAX_NAME = 1000
_MAX_NUMBER = 1 << 31
_RECORDS_A_LINE = 8  # of branches, at most and once each
_RECORD_BYTES = 20  # fewer than any record of a frame, an event or end values takes


class _Malformed(Exception):
    """No record that our tracer writes."""


class Records:
    """The records of one trace, each checked before it counts."""

    def __init__(self, limits: TraceLimits, code: str) -> None:
        self._limits = limits
        self._most = limits.max_events + limits.max_bytes // _RECORD_BYTES
        self._most += _RECORDS_A_LINE * (code.count("\n") + 2)
        self._notes = Notes(code)
        self._bytes = 0
        self._reason: _Reason = "end"
        self._summary: _Reason | None = None
        self._stopped: _Reason | None = None
        self.frames: dict[int, TraceFrame] = {}
        self.events: list[TraceEvent] = []
        self.values: list[tuple[int, str]] = []
        self.stdout_at: list[tuple[int, int]] = []
        self.final: dict[int, dict[str, LastDefinition]] = {}
        self.lines: set[int] = set()
        self.truncated_values = 0
        self.outcome: dict[str, Any] | None = None
        self.streams: dict[str, Any] | None = None
        self._readers: dict[str, Callable[..., None]] = {
            "frame": self._frame,
            "event": self._event,
            "final": self._final,
            "lines": self._lines,
            "covered": self._covered,
            "stdout": self._stdout,
            "stopped": self._has_stopped,
            "summary": self._read_summary,
            "outcome": self._outcome,
            "streams": self._streams,
        }

    def read(self, payload: bytes) -> None:
        lines = [line for line in payload.split(b"\n") if line]
        if len(lines) > self._most:
            self._fail("bytes")
            lines[self._most : -_LAST_RECORDS] = []
        for line in lines:
            self._read_line(line)

    def why_incomplete(self, seen: Observation) -> _Reason:
        """Why the trace is not complete, ``end`` where it is."""
        if self._summary is None and seen.end is not End.ANSWERED:
            return self._stopped or "killed"  # a last record without its end is no surprise
        if self._reason != "end":
            return self._reason
        if self._summary is None and seen.outcome is not Outcome.COMPILE_ERROR:
            return "hook_lost"
        return self._summary or "end"

    def coverage(self) -> dict[str, Any]:
        """The fields on it; lines only where the guest's Python tells no branches."""
        found = self._notes.covered()
        executed = {"executed_lines": sorted(self.lines.union(found.executed_lines))}
        if not self._notes.possible:
            return executed
        return executed | {
            "executed_branches": found.executed_branches,
            "missed_branches": found.missed_branches,
            "missed_lines": sorted({*found.missed_lines} - self.lines),
        }

    def _read_line(self, line: bytes) -> None:
        try:
            kind, *fields = _array(line)
            reader = self._readers.get(kind) if type(kind) is str else None
            if reader is None:
                raise _Malformed
            if kind in _COUNTED:
                self._spend(len(line))
            reader(*fields)
        except (_Malformed, ValueError, TypeError, RecursionError):
            self._fail("hook_lost")

    def _spend(self, count: int) -> None:
        if self._bytes + count > self._limits.max_bytes:
            self._fail("bytes")
            raise _Malformed
        self._bytes += count

    def _fail(self, reason: _Reason) -> None:
        if self._reason == "end":
            self._reason = reason

    # --- one method a record, its parameters the record's items -------------------------

    def _frame(self, number: object, parent: object, function: object, line: object) -> None:
        frame = TraceFrame(
            id=_number(number),
            parent=None if parent is None else _known(parent, self.frames),
            function=_text(function, _MAX_NAME),
            line=_number(line),
        )
        if frame.id in self.frames:
            raise _Malformed
        self.frames[frame.id] = frame

    def _event(self, kind: Any, line: object, frame: object, *changed: object) -> None:
        if len(self.events) >= self._limits.max_events:
            self._fail("events")
            raise _Malformed
        if kind not in _KINDS:
            raise _Malformed
        values = [self._value(changed[-1])] if len(changed) % 2 else []
        if values and kind not in _WITH_RESULT:
            raise _Malformed
        said = {
            _text(name, _MAX_NAME): None if text is None else self._value(text)
            for name, text in zip(changed[:-1:2], changed[1::2], strict=True)
        }
        self.events.append((kind, _number(line), _known(frame, self.frames), said))
        self.values += [(len(self.events) - 1, value) for value in values]

    def _stdout(self, characters: object) -> None:
        count = _number(characters)
        if count < (self.stdout_at[-1][1] if self.stdout_at else 0):
            raise _Malformed
        at = len(self.events)
        if self.stdout_at and self.stdout_at[-1][0] == at:
            self.stdout_at.pop()
        self.stdout_at.append((at, count))

    def _final(self, frame: object, variables: object) -> None:
        known = _known(frame, self.frames)
        self.final[known] = {
            _text(name, _MAX_NAME): self._definition(*_list(last))
            for name, last in _object(variables).items()
        }

    def _definition(
        self, value: object, kind: object, line: object, visits: object
    ) -> LastDefinition:
        return LastDefinition(
            value=self._value(value),
            type=_text(kind, _MAX_NAME),
            line=_number(line),
            visits=_number(visits),
        )

    def _lines(self, lines: object) -> None:
        self.lines.update([_number(line) for line in _list(lines)])

    def _covered(self, *note: object) -> None:
        self._notes.add([*note])
        if note == ("lost",):
            self._fail("hook_lost")

    def _read_summary(self, summary: object) -> None:
        found = _object(summary)
        reason = found.get("reason")
        if reason not in _REASONS or (reason == "end") is not found.get("complete"):
            raise _Malformed
        self._summary = reason
        self.truncated_values = _number(found.get("truncated_values"))

    def _has_stopped(self, reason: Any) -> None:
        if reason not in _REASONS or reason == "end":
            raise _Malformed
        self._stopped = reason

    def _outcome(self, outcome: object) -> None:
        self.outcome = _object(outcome)

    def _streams(self, streams: object) -> None:
        self.streams = _object(streams)

    def _value(self, text: object) -> str:
        return _text(text, self._limits.max_value_chars)


def _array(line: bytes) -> list[Any]:
    found = json.loads(line)
    if type(found) is not list or not found:
        raise _Malformed
    return found


def _list(value: object) -> list[Any]:
    if type(value) is not list:
        raise _Malformed
    return value


def _object(value: object) -> dict[str, Any]:
    if type(value) is not dict:
        raise _Malformed
    return value


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < _MAX_NUMBER:
        raise _Malformed
    return value


def _known(value: object, frames: dict[int, TraceFrame]) -> int:
    number = _number(value)
    if number not in frames:
        raise _Malformed
    return number


def _text(value: object, limit: int) -> str:
    if type(value) is not str or len(value) > limit:
        raise _Malformed
    return clean(value)


def clean(text: str) -> str:
    """Lone surrogates, which JSON over HTTP cannot carry, as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
