"""The files behind descriptors 0, 1 and 2 of a program, from both sides.

Under gVisor a system call takes microseconds and giving a file its first page tens of them: the
outputs of a process's tests therefore follow one another in one file, which is emptied only when
it has grown, and the text streams on the files are renewed, not the files.
"""

import fcntl
import io
import os
import struct
import sys
from os import fstat, ftruncate, lseek, pread, preadv, pwrite  # programs do replace functions of os

KEPT_BYTES = 64 << 10
"""Output of earlier tests that may stay in a file."""

SHARED_BYTES = 2 * KEPT_BYTES
ANSWERS_BYTES = 1 << 20
END = struct.Struct("=Q")
"""At the start of a file in shared memory (``memory_streams.py``): where in it the content ends."""

errors_written = []
"""Not empty where this process has written to descriptor 2 and that was not read yet."""


class Files:
    """The supervisor's side. ``starts``: where the running test's output and errors begin;
    ``shared``: whether output and answers are in memory that the program's process has mapped."""

    def __init__(self):
        self.stdin, self.stdout, self.stderr = map(os.memfd_create, ("stdin", "stdout", "stderr"))
        for fd in self.descriptors():
            os.fchmod(fd, 0o600)  # gVisor lets anyone reopen them through /proc/PID/fd
        for fd in (self.stdout, self.stderr):
            fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND | os.O_RDWR)
        self.starts = 0, 0
        self.shared = False
        self._answers_read = END.size

    def descriptors(self):
        return self.stdin, self.stdout, self.stderr

    def read(self, limit):
        """Return (stdout, stderr, truncated) as bytes, each at most ``limit`` bytes."""
        return _written((self.stdout, self.stderr), self.starts, self._ends(), limit)

    def overflown(self, limit):
        ends = zip(self._ends(), self.starts, strict=True)
        return any(end - start > limit for end, start in ends)

    def answers(self):
        """What has been added to those in shared memory since the last call."""
        end = _end_in_head(self.stdin, ANSWERS_BYTES)
        if end <= self._answers_read:
            return b""
        start, self._answers_read = self._answers_read, end
        return _between(self.stdin, start, end)

    def _ends(self):
        end = fstat(self.stdout).st_size
        if self.shared and end == SHARED_BYTES:
            end = _end_in_head(self.stdout, SHARED_BYTES)
        return end, fstat(self.stderr).st_size

    def close(self):
        for fd in self.descriptors():
            os.close(fd)


class Streams:
    """The program's side: ``sys.stdin``, ``sys.stdout``, ``sys.stderr``, new for each test."""

    def __init__(self):
        self.starts = self._ends = 0, 0
        self._files = [
            io.FileIO(fd, mode, closefd=False) for fd, mode in enumerate(("rb", "wb", "wb"))
        ]
        self._input_size = 0
        self._room = bytearray(KEPT_BYTES)
        self._kept = None
        self._outputs = ()

    def renew(self, stdin, keep=False):
        """New streams for a test. ``keep`` (calls of one module): the last ones, which its code
        may have at hand, unless they were replaced, closed, or not meant to be kept."""
        if keep and self._kept is not None and self._intact():
            return
        data = stdin.encode("utf-8", "surrogatepass")
        self._fill(data)
        for raw in self._outputs:
            raw.write = len  # what the last test left in a buffer is not for this one
        out, err = self._outputs = self._raw_outputs()
        sys.stdin = _text(io.BufferedReader(self._raw_input(data)))
        sys.stdout = _text(io.BufferedWriter(out))
        sys.stderr = _text(io.BufferedWriter(err), "backslashreplace")
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
        self._kept = (sys.stdin, sys.stdout, sys.stderr) if keep else None

    def _raw_input(self, data):
        return _Input(data, self._files[0])

    def _raw_outputs(self):
        return _Output(self._files[1]), _Output(self._files[2])

    def _intact(self):
        current = sys.stdin, sys.stdout, sys.stderr
        return all(
            now is kept and not kept.closed for now, kept in zip(current, self._kept, strict=True)
        )

    def post(self, answer):
        """Whether an answer has been left for the supervisor, which need not go by the pipe."""
        return False

    def _fill(self, data):
        """For those who read the descriptor, not ``sys.stdin``."""
        written = 0
        while written < len(data):
            written += pwrite(0, data[written:] if written else data, written)
        if len(data) < self._input_size:
            ftruncate(0, len(data))
        self._input_size = len(data)
        lseek(0, 0, os.SEEK_SET)

    def read(self, limit):
        """Return (stdout, stderr, truncated) of this test as bytes, each at most ``limit``."""
        stdout, end = self._tail(1, self.starts[0], limit)
        stderr, end_of_errors = self._tail(2, self.starts[1], limit)
        self._ends = end, end_of_errors
        return stdout[:limit], stderr[:limit], max(len(stdout), len(stderr)) > limit

    def _tail(self, fd, start, limit):
        """What a test wrote, beyond ``limit`` at least one byte more, and where it ends. In one
        system call where it is short."""
        count = preadv(fd, (self._room,), start)
        data = bytes(self._room[:count])
        if count < len(self._room):
            return data, start + count
        end = fstat(fd).st_size
        return data + _between(fd, start + count, min(end, start + max(limit + 1, count))), end

    def advance(self):
        """What is written after what was last read is the next test's."""
        if max(self._ends) > KEPT_BYTES:
            ftruncate(1, 0)
            ftruncate(2, 0)
            self._ends = 0, 0
        self.starts = self._ends


class _Input(io.BytesIO):
    """The input in memory, so that reading takes no system call."""

    def __init__(self, data, file):
        super().__init__(data)
        self.fileno, self.name, self.mode = file.fileno, file.name, file.mode


class _Output(io.RawIOBase):
    """A view of a file that can be closed without closing the file, which has been opened, with
    all the system calls that takes, once for all tests. Not seekable, as a pipe. Its methods are
    the file's own: Python code in their place could be interrupted by the program's signals."""

    def __init__(self, file):
        for name in ("readable", "writable", "fileno", "isatty", "write"):
            setattr(self, name, getattr(file, name))
        self.seekable, self.tell = bool, int  # False and 0
        self.name, self.mode = file.name, file.mode


def _text(buffer, errors="strict"):
    stream = io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, write_through=False)
    stream.mode = "w" if buffer.writable() else "r"
    return stream


def _written(files, starts, ends, limit):
    stdout, stderr = (
        _between(fd, start, min(end, start + limit + 1))
        for fd, start, end in zip(files, starts, ends, strict=True)
    )
    return stdout[:limit], stderr[:limit], max(len(stdout), len(stderr)) > limit


def _end_in_head(fd, size):
    """As the program's process says, which may have cut the file, too."""
    head = pread(fd, END.size, 0)
    return min(*END.unpack(head), size) if len(head) == END.size else 0


def _between(fd, start, end):
    parts = []
    while start < end:
        part = pread(fd, min(end - start, 1 << 20), start)
        if not part:
            break
        parts.append(part)
        start += len(part)
    return b"".join(parts)
