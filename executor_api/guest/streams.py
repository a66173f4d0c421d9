"""The files behind descriptors 0, 1 and 2 of a program, from both sides.

Under gVisor a system call takes microseconds and giving a file its first page tens of them: the
outputs of a process's tests therefore follow one another in one file, which is emptied only when
it has grown, and the text streams on the files are renewed, not the files.
"""

import io
import os
import sys
from os import fstat, ftruncate, lseek, pread, pwrite  # programs do replace functions of os

KEPT_BYTES = 64 << 10
"""Output of earlier tests that may stay in a file."""


class Files:
    """The supervisor's side. ``starts``: where the running test's output and errors begin."""

    def __init__(self):
        self.stdin, self.stdout, self.stderr = map(os.memfd_create, ("stdin", "stdout", "stderr"))
        for fd in (self.stdin, self.stdout, self.stderr):
            os.fchmod(fd, 0o600)  # gVisor lets anyone reopen them through /proc/PID/fd
        self.starts = 0, 0

    def install(self):
        for target, fd in enumerate((self.stdin, self.stdout, self.stderr)):
            os.dup2(fd, target)
            os.close(fd)

    def read(self, limit):
        """Return (stdout, stderr, truncated) as bytes, each at most ``limit`` bytes."""
        return _written(self.stdout, self.stderr, self.starts, limit)

    def overflown(self, limit):
        sizes = fstat(self.stdout).st_size, fstat(self.stderr).st_size
        return any(size - start > limit for size, start in zip(sizes, self.starts, strict=True))

    def close(self):
        for fd in (self.stdin, self.stdout, self.stderr):
            os.close(fd)


class Streams:
    """The program's side: ``sys.stdin``, ``sys.stdout``, ``sys.stderr``, new for each test."""

    def __init__(self):
        self.starts = 0, 0
        self._kept = None

    def renew(self, stdin, keep=False):
        """New streams for a test. ``keep`` (calls of one module): the last ones, which its code
        may have at hand, unless they were replaced, closed, or not meant to be kept."""
        if keep and self._kept is not None and self._intact():
            return
        self._fill(stdin.encode("utf-8", "surrogatepass"))
        out, err = io.BufferedWriter(_raw(1, "wb")), io.BufferedWriter(_raw(2, "wb"))
        sys.stdin = sys.__stdin__ = _text(io.BufferedReader(_raw(0, "rb")))
        sys.stdout, sys.stderr = _text(out), _text(err, "backslashreplace")
        sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
        self._kept = (sys.stdin, sys.stdout, sys.stderr) if keep else None

    def _intact(self):
        current = sys.stdin, sys.stdout, sys.stderr
        return all(
            now is kept and not kept.closed for now, kept in zip(current, self._kept, strict=True)
        )

    @staticmethod
    def _fill(data):
        written = 0
        while written < len(data):
            written += pwrite(0, data[written:] if written else data, written)
        if fstat(0).st_size > len(data):
            ftruncate(0, len(data))
        lseek(0, 0, os.SEEK_SET)

    def read(self, limit):
        """Return (stdout, stderr, truncated) of this test as bytes, each at most ``limit``."""
        return _written(1, 2, self.starts, limit)

    def advance(self):
        """What is written from here on is the next test's."""
        ends = fstat(1).st_size, fstat(2).st_size
        if ends == self.starts:
            return
        if max(ends) > KEPT_BYTES:
            ftruncate(1, 0)
            ftruncate(2, 0)
            ends = 0, 0
        lseek(1, ends[0], os.SEEK_SET)
        lseek(2, ends[1], os.SEEK_SET)
        self.starts = ends


def _raw(fd, mode):
    return io.FileIO(fd, mode, closefd=False)


def _text(buffer, errors="strict"):
    return io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, write_through=False)


def _written(stdout, stderr, starts, limit):
    texts = [
        _tail(fd, start, limit + 1) for fd, start in zip((stdout, stderr), starts, strict=True)
    ]
    return texts[0][:limit], texts[1][:limit], max(map(len, texts)) > limit


def _tail(fd, start, most):
    """The bytes from ``start`` on, at most ``most``."""
    parts, end = [], min(fstat(fd).st_size, start + most)
    while start < end:
        part = pread(fd, min(end - start, 1 << 20), start)
        if not part:
            break
        parts.append(part)
        start += len(part)
    return b"".join(parts)
