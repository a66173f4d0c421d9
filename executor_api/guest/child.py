"""A forked process for one program: made from the warm interpreter, confined, asked for answers."""

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import sys

import runner
import tester
import traced
from process import Streams, Watch, confine

_LENGTH = struct.Struct(">I")
_FIRST_UID, _UIDS = 20_000, 20_000


class Child:
    """A forked process for one program, or two for an assertion."""

    def __init__(self, supervisor, limits, tests):
        self.supervisor, self.limits, self.tests = supervisor, limits, tests
        supervisor.programs += 1
        self.owner = self._owner(0)
        self.box = os.path.join(supervisor.base, str(supervisor.programs))
        os.mkdir(self.box, 0o700)
        if self.owner is not None:
            os.chown(self.box, self.owner, self.owner)
        self.streams = Streams(self.owner)
        self.source, self.answers = os.pipe()
        self.turns, self._go = os.pipe()
        self.kept = {self.answers, self.turns}
        self._buffer = bytearray()
        self.pids = []

    def _owner(self, offset):
        if self.supervisor.unsafe:
            return None
        return _FIRST_UID + (2 * self.supervisor.programs + offset) % _UIDS

    def start(self, body):
        self._watch(self._fork(body, self.owner))

    def _watch(self, pid):
        os.close(self.answers)
        os.close(self.turns)
        whole = not self.supervisor.unsafe
        self.watch = Watch(pid, self.source, self.streams, self.limits, self.supervisor.wake, whole)
        self.watch.restart(self.supervisor.run_until)

    def start_assertion(self, code, assertion):
        """The program in one process, the test code in another, under another uid."""
        ours, theirs = socket.socketpair()
        self.kept |= {ours.fileno(), theirs.fileno()}

        def program():
            ours.close()
            os.close(self.answers)
            runner.fresh_streams("")
            tester.serve_program(code, tester.Connection(theirs))

        def test():
            theirs.close()
            runner.fresh_streams("")
            reporter = runner.Reporter(self.answers, self.limits["output_bytes"])
            reporter.send(tester.run_assertion(assertion, tester.Connection(ours)))

        self._fork(program, self.owner)
        pid = self._fork(test, self._owner(1))
        ours.close()
        theirs.close()
        self._watch(pid)

    def _fork(self, body, owner):
        """Fork, and return once the child has become the program; raise ``OSError`` if it
        could not: that is our failure, not the program's."""
        ready, failure = os.pipe()
        pid = os.fork()
        if pid:
            self.pids.append(pid)
            os.close(failure)
            with os.fdopen(ready, "rb") as pipe:
                why = pipe.read()
            if why:
                raise OSError(why.decode())
            return pid
        status = 1
        try:
            try:
                self._become_program(owner, keep=failure)
            except BaseException as error:
                os.write(failure, f"{type(error).__name__}: {error}".encode())
                os._exit(1)
            os.close(failure)
            body()
            status = 0
        finally:
            os._exit(status)

    def _become_program(self, owner, keep):
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.update(HOME=self.box, TMPDIR=self.box, PWD=self.box)
        sys.argv = [runner.FILE_NAME]
        self.streams.install()
        _close_all_but({0, 1, 2, keep, *self.kept})
        box = self.box if owner == self.owner else "/"
        confine(self.limits, self.tests, owner, box, self.supervisor.base_memory)

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
        try:
            os.write(self._go, b"g")
        except BrokenPipeError:
            return

    def wait_turn(self):
        """In the child: block until the supervisor says ``go``."""
        if not os.read(self.turns, 1):
            os._exit(0)

    def streams_payload(self):
        stdout, stderr, truncated = self.streams.read(self.limits["output_bytes"])
        return json.dumps(
            {
                "stdout": stdout.decode("utf-8", "surrogateescape"),
                "stderr": stderr.decode("utf-8", "surrogateescape"),
                "truncated": truncated,
            }
        ).encode()

    def end(self):
        """Kill and collect the processes of this child, close all, remove its directory."""
        for pid in self.pids:
            for kill in (os.killpg, os.kill):
                try:
                    kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue
        for pid in self.pids:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                continue
        for fd in (self.source, self._go):
            os.close(fd)
        self.streams.close()
        if self.supervisor.unsafe:
            shutil.rmtree(self.box, ignore_errors=True)


def _close_all_but(kept):
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with contextlib.suppress(OSError):  # the listing's own descriptor
                os.close(int(name))


def run_child(child, code, tests, step):
    reporter = runner.Reporter(child.answers, child.limits["output_bytes"])
    runner.run_tests(code, tests, reporter, child.wait_turn if step else None)


def trace_child(child, job, limits):
    traced.run(job, limits, child.answers)
