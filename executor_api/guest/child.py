"""The supervisor's side of a forked process: give it a program, ask for its answers, end it."""

import contextlib
import json
import os
import signal
import struct

import forked
import runner
from process import Streams, Watch

_LENGTH = struct.Struct(">I")


class Child:
    """A forked process, idle until it is given a program."""

    def __init__(self):
        self.streams = Streams()
        self.source, answers = os.pipe()
        orders, self._orders = os.pipe()
        self._failure, failure = os.pipe()
        self._buffer = bytearray()
        self.pid = os.fork()
        if not self.pid:
            forked.main(self.streams, orders, answers, failure)
        for fd in (orders, answers, failure):
            os.close(fd)

    def assign(self, job, wake, others, until):
        """Give it a program, to be over at ``until``; raise ``OSError`` if it could not become
        that: our failure, not the program's."""
        data = json.dumps(job).encode()
        runner.write_all(self._orders, _LENGTH.pack(len(data)) + data)
        with os.fdopen(self._failure, "rb") as pipe:
            why = pipe.read()
        if why:
            raise OSError(why.decode())
        self.limits = job["limits"]
        self.watch = Watch(self.pid, self.source, self.streams, self.limits, wake, others)
        self.watch.restart(until)

    def answer(self):
        """The next answer as (bytes, None), or (None, how the process ended)."""
        while True:
            if len(self._buffer) >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(self._buffer)
                if length > runner.MAX_ANSWER:
                    return None, ("exited", 1)
                if len(self._buffer) >= _LENGTH.size + length:
                    data = bytes(self._buffer[_LENGTH.size : _LENGTH.size + length])
                    del self._buffer[: _LENGTH.size + length]
                    return data, None
            data, end = self.watch.read()
            if data is None:
                return None, end
            self._buffer += data

    def records(self, limit):
        """Everything the child writes until its end, at most ``limit`` bytes."""
        parts, size = [], 0
        while True:
            data, end = self.watch.read()
            if data is None:
                return b"".join(parts), end
            if size >= limit and self.watch.status is not None:
                return b"".join(parts), self.watch.end()  # a grandchild goes on writing
            if size < limit:
                parts.append(data[: limit - size])
                size += len(parts[-1])

    def go(self):
        """Let it run the next test."""
        try:
            os.write(self._orders, b"g")
        except BrokenPipeError:
            return

    def streams_payload(self):
        """What it has written so far, as the payload of a test that it did not answer."""
        stdout, stderr, truncated = self.streams.read(self.limits["output_bytes"])
        return json.dumps(
            {
                "stdout": stdout.decode("utf-8", "surrogateescape"),
                "stderr": stderr.decode("utf-8", "surrogateescape"),
                "truncated": truncated,
            }
        ).encode()

    def end(self):
        """Kill and collect it, with what is left of its process group; close all."""
        for kill in (os.killpg, os.kill):
            try:
                kill(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        with contextlib.suppress(ChildProcessError):  # the watch has collected it
            os.waitpid(self.pid, 0)
        for fd in (self.source, self._orders):
            os.close(fd)
        self.streams.close()
