"""The first process of a sandbox: takes jobs from the host, forks a process for each program,
watches and ends it, cleans up after it. See PROTOCOL.md.

As root of a gVisor sandbox it drops each program to an unprivileged uid of its own and, as
process 1, can kill whatever that program left. With ``--unsafe`` (a plain process on the host)
it does neither.
"""

import contextlib
import gc
import json
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import frames
import runner
import tester
import traced
from process import Streams, Watch, confine, own_memory

_LENGTH = struct.Struct(">I")
_SCRATCH = ("/tmp", "/box", "/dev/shm")
_FIRST_UID, _UIDS = 20_000, 20_000
_CLEAN_SECONDS = 2.0
_COMMON_MODULES = (
    "abc array bisect calendar cmath collections collections.abc contextlib copy dataclasses "
    "datetime decimal enum fractions functools hashlib heapq io itertools json math numbers "
    "operator queue random re statistics string textwrap threading time traceback types typing "
    "unicodedata"
)


class Supervisor:
    def __init__(self, source, sink, unsafe):
        self.source, self.sink, self.unsafe = source, sink, unsafe
        self.base = tempfile.mkdtemp(prefix="coderl-") if unsafe else "/box"
        self.programs = 0
        self.run_until = 0.0  # the end of the program's own wall clock, all its tests together
        self.base_memory = own_memory()
        self.wake, wake_writer = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(wake_writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)

    # --- the host's side ---

    def serve(self):
        """Answer jobs until the host hangs up."""
        operations = {"ping": self.ping, "run": self.run, "trace": self.trace}
        while (frame := self.receive()) is not None:
            header, payload = frame
            operations[header["op"]](header, payload)

    def receive(self):
        head = self._read(frames.HEAD.size)
        if head is None:
            return None
        header, payload = frames.unpack_head(head)
        return json.loads(self._read(header)), self._read(payload)

    def _read(self, count):
        data = self.source.read(count)
        return data if len(data) == count else None

    def send(self, header, payload=b""):
        self.sink.write(frames.pack(header, payload))
        self.sink.flush()

    def ping(self, header, payload):
        self.send({"op": "pong", "python": sys.version.split()[0]})

    # --- tests ---

    def run(self, header, payload):
        job = json.loads(payload)
        tests, position = job["tests"], 0
        clean, why = True, None
        self.run_until = time.monotonic() + header["program_seconds"]
        while position < len(tests) and clean and time.monotonic() < self.run_until:
            count = self._together(tests[position:], header["isolation"])
            batch = tests[position : position + count]
            answered, go_on = self._run_batch(header, job["code"], batch, position)
            clean, why = self.clean_up()
            position += answered
            if not go_on:
                break
        self.send({"op": "done", "job": header["job"], "clean": clean, "why": why})

    def _together(self, tests, isolation):
        """How many of the next tests share a process."""
        if isolation == "test" or tests[0]["kind"] == "assert":
            return 1
        for count, test in enumerate(tests):
            if test["kind"] == "assert":
                return count
        return len(tests)

    def _run_batch(self, header, code, tests, position):
        """Run ``tests`` in one process; return (how many were answered, whether to go on)."""
        limits = header["limits"]
        child = Child(self, limits, len(tests))
        step = header["step"]
        if tests[0]["kind"] == "assert":
            child.start_assertion(code, tests[0]["code"])
        else:
            child.start(lambda: run_child(child, code, tests, step))
        try:
            for index in range(len(tests)):
                if index:
                    child.watch.restart(self.run_until)
                answer, end = child.answer()
                if index and end and end[0] in ("exited", "signaled"):
                    return index, True  # its end may be an earlier test's doing: run it alone
                self.send(*self._test_frame(header, position + index, child, answer, end))
                if step and not self._asked_to_go_on(child):
                    return index + 1, False
                if answer is None or time.monotonic() >= self.run_until:
                    return index + 1, True
            return len(tests), True
        finally:
            child.end()

    def _asked_to_go_on(self, child):
        header, _ = self.receive()
        if header["op"] != "next":
            return False
        child.go()
        return True

    def _test_frame(self, header, index, child, answer, end):
        kind, code = end or ("answered", None)
        cpu, memory = child.watch.measured()
        head = {"op": "test", "job": header["job"], "index": index, "end": kind, "code": code}
        head |= {"cpu": cpu, "wall": child.watch.wall(), "memory": memory}
        return head, child.streams_payload() if answer is None else answer

    # --- traces ---

    def trace(self, header, payload):
        job = json.loads(payload)
        limits = header["limits"]
        self.run_until = time.monotonic() + limits["wall_seconds"]
        child = Child(self, limits, 1)
        child.start(lambda: trace_child(child, job, limits))
        try:
            records, end = child.records(2 * limits["max_bytes"] + (8 << 20))
            if end != ("exited", 0) or b'["outcome"' not in records:
                streams = ["streams", json.loads(child.streams_payload())]
                records += b"\n" + json.dumps(streams).encode() + b"\n"
            head, _ = self._test_frame(header, 0, child, b"", end)
            self.send(head | {"op": "trace"}, records)
        finally:
            child.end()
        clean, why = self.clean_up()
        self.send({"op": "done", "job": header["job"], "clean": clean, "why": why})

    # --- cleaning up ---

    def clean_up(self):
        """End what the program left and empty what it could write; (clean, why not)."""
        try:
            if not self.unsafe:
                self._kill_all()
                for folder in _SCRATCH:
                    _empty(folder)
            return True, None
        except (OSError, RecursionError, TimeoutError) as error:
            return False, f"{type(error).__name__}: {error}"

    def _kill_all(self):
        """Kill every other process; as process 1 of the sandbox, ESRCH proves none is left."""
        assert os.getpid() == 1, "only process 1 of a sandbox may kill everything"
        deadline = time.monotonic() + _CLEAN_SECONDS
        while True:
            try:
                os.kill(-1, signal.SIGKILL)
            except ProcessLookupError:
                return
            _reap()
            if time.monotonic() > deadline:
                raise TimeoutError("processes of the program cannot be killed")


def _reap():
    """Collect ended processes for a moment; they count as alive until collected."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.0005)
                return
        except ChildProcessError:
            return


def _empty(folder):
    if not os.path.isdir(folder):
        return
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


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


def main():
    unsafe = "--unsafe" in sys.argv[1:]
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    for name in _COMMON_MODULES.split():
        __import__(name)
    gc.collect()
    gc.freeze()
    supervisor = Supervisor(source, sink, unsafe)
    try:
        supervisor.serve()
    finally:
        if unsafe:
            shutil.rmtree(supervisor.base, ignore_errors=True)


if __name__ == "__main__":
    main()
