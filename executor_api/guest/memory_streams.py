"""The streams of a program that reaches no descriptor but through them (``reach.py``): its input
is in memory only, its output and the answers in memory shared with the supervisor, so that a test
takes no system call and yet nothing is lost when the process is killed.

The file behind descriptor 1 begins with a head, where the output ends; then comes the output. What
does not fit into the mapped part is appended to the file, whose size then tells the end. The file
behind descriptor 0, which nobody reads, holds the answers in the same form; those that do not fit
go by the pipe, and so do all after them.
"""

import io
import mmap
import os
from builtins import len, max, min, super, vars

from streams import ANSWERS_BYTES, END, KEPT_BYTES, SHARED_BYTES, Streams, errors_written

_write, _ftruncate, _fstat, _pread = os.write, os.ftruncate, os.fstat, os.pread


class MemoryInput(Streams):
    """In place of ``streams``, whose files it takes over."""

    def __init__(self, streams):
        vars(self).update(vars(streams))

    def _raw_input(self, data):
        return _Input(data)

    def _fill(self, data):
        """Nobody reads the descriptor."""


class MemoryStreams(MemoryInput):
    """The output and the answers, too."""

    def __init__(self, streams):
        super().__init__(streams)
        self._shared, self._answers = _mapped(1, SHARED_BYTES), _mapped(0, ANSWERS_BYTES)
        self.starts = self._ends = END.size, 0
        self._answers_end = END.size
        self._move(END.size)

    def _move(self, end):
        self._end = end
        END.pack_into(self._shared, 0, end)

    def _raw_outputs(self):
        return _Raw(self.write, 1), _Raw(self.write_error, 2)

    def write(self, data):
        fits = min(len(data), SHARED_BYTES - self._end)
        if fits:
            end = self._end + fits
            self._shared[self._end : end] = data[:fits]
            self._move(end)
        return fits if fits == len(data) else fits + _write(1, data[fits:])

    def write_error(self, data):
        errors_written.append(True)
        return _write(2, data)

    def read(self, limit):
        start, end = self.starts[0], self._end
        stdout = self._shared[start : min(end, start + limit + 1)]
        if end == SHARED_BYTES:
            end = _fstat(1).st_size
            if len(stdout) <= limit:
                stdout += _pread(1, limit + 1 - len(stdout), SHARED_BYTES)
        stderr, end_of_errors = b"", self.starts[1]
        if errors_written:
            errors_written.clear()
            stderr, end_of_errors = self._tail(2, self.starts[1], limit)
        self._ends = end, end_of_errors
        return stdout[:limit], stderr[:limit], max(len(stdout), len(stderr)) > limit

    def post(self, answer):
        start, end = self._answers_end, self._answers_end + len(answer)
        self._answers_end = end  # once one does not fit, none does
        if end > ANSWERS_BYTES:
            return False
        self._answers[start:end] = answer
        END.pack_into(self._answers, 0, end)
        return True

    def advance(self):
        if self._ends[0] > SHARED_BYTES:
            _ftruncate(1, SHARED_BYTES)
        if max(self._ends) > KEPT_BYTES:
            self._move(END.size)
            _ftruncate(2, 0)
            self._ends = END.size, 0
        self.starts = self._ends


def _mapped(descriptor, size):
    _ftruncate(descriptor, size)
    return mmap.mmap(descriptor, size)


class _Input(io.BytesIO):
    """Without a descriptor: input() would ask the kernel at each call whether it is a terminal."""

    name, mode = 0, "rb"

    def fileno(self):
        return -1


class _Raw(io.RawIOBase):
    """Where a text stream's bytes go."""

    mode = "wb"

    def __init__(self, write, descriptor):
        self.write, self.name = write, descriptor

    def writable(self):
        return True
