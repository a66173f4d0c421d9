"""What a program's process tells the supervisor: an answer for each test, and notes between."""

import json
import os
import resource
import struct
import threading
import time
from builtins import MemoryError, OSError, len, max, memoryview  # notes come as the program runs

from memory_streams import MemoryInput, MemoryStreams
from process import close_reserve, open_reserve

MAX_ANSWER = 64 << 20
HEAD = struct.Struct(">III")
RING = b"!"
_PIPE_BYTES = 64 << 10
_TICK_SECONDS = 0.01
_FEW_TESTS = 5  # what sharing memory takes is more than it saves
# Programs do replace functions of modules.
_write, _clock, _getrusage, _dumps = os.write, time.monotonic, resource.getrusage, json.dumps


class Reporter:
    """Sends one answer for each test over the private descriptor: a head (length of what follows,
    where the next test's output and errors begin), then JSON."""

    def __init__(self, fd, bell, streams, output_bytes):
        self.fd, self._bell, self._streams, self._limit = fd, bell, streams, output_bytes
        self._unheard = 0  # bytes sent since the bell was rung
        self._cpu, self._memory = _usage()[0], None
        self._told = 0.0  # CPU seconds told of since they were last read
        self._notes, self._sending = [], threading.Lock()
        self._started = _clock()

    def use_memory(self, tests):
        """From now on the tests' input is in memory and, unless they are few, so are their output
        and answers: an empty answer tells the supervisor."""
        if tests < _FEW_TESTS:
            self._streams = MemoryInput(self._streams)
            return
        self._streams = MemoryStreams(self._streams)
        write_all(self.fd, HEAD.pack(0, *self._streams.starts))

    def begin(self, stdin, keep=False):
        """Streams and clock for a test."""
        close_reserve()
        self._streams.renew(stdin, keep)
        self._started = _clock()

    def complete(self, body):
        """Add to an answer what the test wrote and used."""
        wall = body["wall"] = _clock() - self._started
        stdout, stderr, truncated = self._streams.read(self._limit)
        body["stdout"] = stdout.decode("utf-8", "surrogateescape")
        body["stderr"] = stderr.decode("utf-8", "surrogateescape")
        body["truncated"] = truncated
        body["cpu"] = self._used(wall)
        body["memory"] = self._memory
        return body

    def _used(self, wall):
        """CPU seconds of this test. gVisor counts them in ticks of 10 ms, so those of a short
        test are its wall clock's."""
        if wall < _TICK_SECONDS and self._memory is not None:
            self._told += wall
            return wall
        cpu, self._memory = _usage()
        used, self._cpu, self._told = cpu - self._cpu - self._told, cpu, 0.0
        return max(used, 0.0)

    def send(self, body):
        try:
            data = _dumps(self.complete(body)).encode()
        except MemoryError:
            open_reserve()
            data = _dumps(self.complete(body)).encode()
        if len(data) > MAX_ANSWER:
            body["outcome"], body["value"] = "invalid", None
            body["message"] = f"the answer takes {len(data)} bytes, at most {MAX_ANSWER} travel"
            data = _dumps(body).encode()
        with self._sending:
            self._send_notes()
            self._streams.advance()
            self._put(data)

    def note(self, data):
        """Send what is no answer and may come from anywhere in the program, as from a thread or a
        signal handler, while something else is on its way: then it waits for that."""
        self._notes.append(data)
        if self._sending.acquire(blocking=False):
            try:
                self._send_notes()
            except OSError:  # the program closed the descriptor
                self._notes.clear()
            finally:
                self._sending.release()

    def _send_notes(self):
        while self._notes:
            self._put(self._notes.pop(0))

    def _put(self, data):
        self._unheard += HEAD.size + len(data)
        if self._unheard > _PIPE_BYTES // 2:
            self.ring()
        answer = HEAD.pack(len(data), *self._streams.starts) + data
        if not self._streams.post(answer):
            write_all(self.fd, answer)

    def ring(self):
        """Wake the supervisor."""
        self._unheard = 0
        _write(self._bell, RING)


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[_write(fd, view) :]


def _usage():
    """(CPU seconds, peak MiB) of this process."""
    usage = _getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
