"""The tracer's records on their way out: buffered, counted, and cut at the limits."""

from builtins import OSError, int, len, map, min, str, sum

_MOST_AT_ONCE = 64
_EVENTS_SHARE = 0.75  # of max_bytes; the rest is for end values
_FINAL, _STDOUT = '["final"', '["stdout"'


class Records:
    """Writes records, a line each, in ever larger batches.

    ``pending`` is the batch, which grows by ``put`` or, faster, by hand: whoever appends an event
    takes one from ``room`` and calls ``more`` where none is left.
    """

    def __init__(self, write, limits):
        self._write = write
        self._events_left = limits["max_events"]
        self._bytes_left = limits["max_bytes"]
        self._kept_back = limits["max_bytes"] - int(limits["max_bytes"] * _EVENTS_SHARE)
        self._written = 0
        self._lines = []
        self._reason = "end"
        self.full = None
        """Why there is no room for more: ``events`` or ``bytes``."""
        self.truncated = 0
        self.pending = []
        self.room = 0
        self.more()

    def more(self):
        """Write the batch and make room for the next; ``full`` where the limits leave none."""
        self.flush()
        if self.full is None:
            self.room = min(_MOST_AT_ONCE, 1 + self._written // 32, self._events_left)
            self._events_left -= self.room
            if not self.room:
                self.full = "events"

    def put(self, text):
        """Add a record that is no event."""
        self.pending.append(text)
        if len(self.pending) >= _MOST_AT_ONCE:
            self.flush()

    def wrote(self, characters):
        record = f'["stdout",{characters}]'
        if self.pending and self.pending[-1].startswith(_STDOUT):
            self.pending[-1] = record
        else:
            self.put(record)

    def ran(self, line, at_once):
        self._lines.append(line)
        if at_once:
            self.flush()

    def fail(self, reason):
        if self._reason == "end":
            self._reason = reason

    def stop(self, reason):
        """Say at once that no event follows."""
        self.fail(reason)
        self.flush()
        self._send(f'["stopped","{reason}"]\n')

    def abandon(self):
        self._write = None
        self.pending.clear()

    def close(self):
        self.flush()
        complete = "true" if self._reason == "end" else "false"
        self._send(
            f'["summary",{{"complete":{complete},"reason":"{self._reason}",'
            f'"truncated_values":{self.truncated}}}]\n'
        )

    def flush(self):
        pending = self.pending
        size = sum(map(len, pending))
        if size > self._bytes_left - self._kept_back:
            pending[:] = self._fitting()
            size = sum(map(len, pending))
        self._bytes_left -= size
        self._written += len(pending)
        if self._lines:
            pending.append(f'["lines",[{",".join(map(str, self._lines))}]]')
            self._lines = []
        if pending:
            self._send("\n".join(pending) + "\n")
            pending.clear()

    def _fitting(self):
        """What of the batch fits: end values into all that is left, the rest up to the first
        record that does not."""
        fitting = []
        left = self._bytes_left
        for text in self.pending:
            final = text.startswith(_FINAL)
            if (final or self.full is None) and len(text) <= left - (
                0 if final else self._kept_back
            ):
                left -= len(text)
                fitting.append(text)
            else:
                self.fail("bytes")
                if not final:
                    self.full, self.room = "bytes", 0
        return fitting

    def _send(self, text):
        if self._write is None:
            return
        try:
            self._write(text.encode("ascii"))
        except OSError:  # the program closed the descriptor
            self._write = None
            self.fail("hook_lost")
