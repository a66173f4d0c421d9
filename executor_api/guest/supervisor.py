"""The first process of a sandbox: takes jobs from the host, has a process forked for each program,
watches and ends it, cleans up after it. See PROTOCOL.md.

As root of a gVisor sandbox it drops each program to an unprivileged uid of its own and, as
process 1, can kill whatever that program left. With ``--unsafe`` (a plain process on the host)
it does neither.
"""

import _sitebuiltins
import builtins
import collections
import contextlib
import gc
import itertools
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import attachments
import frames
import native_batch
from child import Child
from notes import Notes
from process import end_with, own_memory
from zygote import Zygote

_FIRST_UID, _UIDS = 20_000, 20_000
_SPARE_MB = 16
"""What a process forked ahead takes of the sandbox's memory: gVisor copies in large pieces."""

_IDLE_SECONDS = 0.02

_ANSWERED = (
    '{"op": "test", "job": %d, "index": %d, "end": "answered", "code": null, '
    '"cpu": 0.0, "wall": %.6f, "memory": 0.0}'
)

_SCRATCH = ("/tmp", "/dev/shm")
_KILL_SECONDS = 2.0
_REMOVE_SECONDS = 10.0
_COMMON_MODULES = (
    "abc array bisect calendar cmath collections collections.abc contextlib copy dataclasses "
    "datetime decimal enum fractions functools hashlib heapq io itertools json math numbers "
    "operator queue random re statistics string textwrap threading time traceback types typing "
    "unicodedata"
)


class Supervisor:
    def __init__(self, source, sink, unsafe, zygote):
        self.source, self.sink, self.unsafe, self.zygote = source, sink, unsafe, zygote
        self.base = tempfile.mkdtemp(prefix="coderl-") if unsafe else "/box"
        self.programs = 0
        self.spares = collections.deque()
        self.spares_wanted = 0
        self.run_until = 0.0  # the end of the program's own wall clock, all its tests together
        self.base_memory = own_memory()
        self.stamps = {}

    # --- the host's side ---

    def serve(self):
        """Answer jobs until the host hangs up; while it has none, fork ahead."""
        operations = {"ping": self.ping, "run": self.run, "trace": self.trace}
        while True:
            while len(self.spares) < self.spares_wanted and not self._asked():
                self.spares.append(Child(self.zygote))
            frame = self.receive()
            if frame is None:
                return
            header, payload = frame
            operations[header["op"]](header, payload)

    def _asked(self):
        """Whether the host wants something within a moment: in a burst it always does, and a
        fork would only delay it."""
        return bool(select.select([self.source], [], [], _IDLE_SECONDS)[0])

    def receive(self):
        head = self._read(frames.HEAD.size)
        if head is None:
            return None
        header, payload = frames.unpack_head(head)
        return json.loads(self._read(header)), self._read(payload)

    def _read(self, count):
        data = self.source.read(count)
        return data if len(data) == count else None

    def send(self, header, payload=b"", flush=True):
        self.sink.write(frames.pack(header, payload))
        if flush:
            self.sink.flush()

    def ping(self, header, payload):
        if not self.unsafe:
            self.spares_wanted = header.get("spare_mb", 0) // _SPARE_MB
        tools = [tool for tool in header.get("tools", ()) if shutil.which(tool)]
        self.send({"op": "pong", "python": sys.version.split()[0], "tools": tools})

    # --- tests ---

    def run(self, header, payload):
        job = json.loads(payload)
        tests, position = job["tests"], 0
        clean, why, extra = True, None, b""
        job["notes"] = Notes() if job.get("coverage") else None
        self.run_until = time.monotonic() + header["program_seconds"]
        while position < len(tests) and clean and time.monotonic() < self.run_until:
            count = self._together(tests[position:], header["isolation"])
            batch = tests[position : position + count]
            run_batch = native_batch.run if "native" in job else Supervisor._run_batch
            answered, go_on = run_batch(self, header, job, batch, position)
            extra = self._extra(job)
            clean, why = self.clean_up()
            position += answered
            if not go_on:
                break
        self.send({"op": "done", "job": header["job"], "clean": clean, "why": why}, extra)

    def _extra(self, job):
        """What else was asked of a program: the files it made, and how its build went."""
        if job["notes"] is not None:
            return bytes(job["notes"])
        if "fetch_files" not in job:
            return b""
        box, limit = os.path.join(self.base, str(self.programs)), job["fetch_bytes"]
        found, too_large = attachments.fetch(box, job["fetch_files"], limit)
        build = job.get("native", {}).get("build_report")
        return json.dumps({"files": found, "too_large": too_large, "build": build}).encode()

    def _together(self, tests, isolation):
        """How many of the next tests share a process."""
        if isolation == "test" or tests[0]["kind"] == "assert":
            return 1
        for count, test in enumerate(tests):
            if test["kind"] == "assert":
                return count
        return len(tests)

    def _run_batch(self, header, job, tests, position):
        """Run ``tests`` in one process; return (how many were answered, whether to go on)."""
        role = "assertion" if tests[0]["kind"] == "assert" else "tests"
        step = header["step"]
        keys = {"code": job["code"], "files": job.get("files")}
        keys["coverage"] = job["notes"] is not None
        task = {"role": role, "tests": tests, "step": step, "limits": header["limits"]}
        child = self._child(keys | task)
        child.notes = job["notes"]
        try:
            for index in range(len(tests)):
                if index:
                    child.watch.restart(self.run_until)
                answer, end = child.answer()
                if index and end and end[0] in ("exited", "signaled"):
                    return index, True  # its end may be an earlier test's doing: run it alone
                frame = self._test_frame(header, position + index, child, answer, end)
                self.send(*frame, flush=step or not child.answered())
                if step and not self._asked_to_go_on(child):
                    return index + 1, False
                if answer is None or time.monotonic() >= self.run_until:
                    return index + 1, True
            return len(tests), True
        finally:
            child.end()

    def _child(self, job):
        """A process that runs ``job``: one forked ahead, or else a new one."""
        self.programs += 1
        job["box"] = os.path.join(self.base, str(self.programs))
        job["owner"], job["tester"] = self._owners()
        job["base_memory"] = self.base_memory
        child = self.spares.popleft() if self.spares else Child(self.zygote)
        child.assign(job, self._others, self.run_until)
        return child

    def _owners(self):
        """Two uids that no recent program had."""
        if self.unsafe:
            return None, None
        first = _FIRST_UID + 2 * self.programs % _UIDS
        return first, first + 1

    def _others(self):
        """The pids of the program: all but ours and those forked ahead."""
        if self.unsafe:
            return []
        ours = {os.getpid(), self.zygote.pid, *(spare.pid for spare in self.spares)}
        return [
            pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid not in ours
        ]

    def _asked_to_go_on(self, child):
        header, _ = self.receive()
        if header["op"] != "next":
            return False
        child.go()
        return True

    def _test_frame(self, header, index, child, answer, end):
        if answer and end is None:  # what it used stands in the answer
            return _ANSWERED % (header["job"], index, child.watch.wall()), answer
        kind, code = end or ("answered", None)
        cpu, memory = child.watch.measured()
        head = {"op": "test", "job": header["job"], "index": index, "end": kind, "code": code}
        head |= {"cpu": cpu, "wall": child.watch.wall(), "memory": memory}
        return head, child.streams_payload() if answer is None else answer

    # --- traces ---

    def trace(self, header, payload):
        limits = header["limits"]
        self.run_until = time.monotonic() + limits["wall_seconds"]
        child = self._child(json.loads(payload) | {"role": "trace", "tests": [None]})
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
                _reap()
                self._kill_others()
                until = time.monotonic() + _REMOVE_SECONDS
                _remove(os.path.join(self.base, str(self.programs)), until)
                for folder in _SCRATCH:
                    self._empty(folder, until)
            return True, None
        except OSError as error:
            return False, f"{type(error).__name__}: {error}"

    def _empty(self, folder, until):
        """Nothing but a change to a folder, by anyone, sets its ctime."""
        if self.stamps.get(folder) == _stamp(folder):
            return
        if os.path.isdir(folder):
            for entry in list(os.scandir(folder)):
                _remove(entry.path, until)
            self.stamps[folder] = _stamp(folder)

    def _kill_others(self):
        """Kill what is left of a program. It cannot fork as fast: its number is bounded."""
        deadline = time.monotonic() + _KILL_SECONDS
        while others := self._others():
            for pid in others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            _reap()
            if time.monotonic() > deadline:
                raise TimeoutError("processes of the program cannot be killed")
            time.sleep(0.0005)


def _reap():
    """Collect what has ended; until then it counts as alive."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue


def _remove(path, until):
    """A file, or a folder however deep it is: a folder's folders are moved out before it goes.
    Raises ``TimeoutError`` after ``until``."""
    _check(until)
    if _removed(path):
        return
    heap = tempfile.mkdtemp(dir=os.path.dirname(path))
    names = (os.path.join(heap, str(number)) for number in itertools.count())
    left = [next(names)]
    os.rename(path, left[0])
    while left:
        folder = left.pop()
        for entry in list(os.scandir(folder)):
            _check(until)
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
            elif not _removed(entry.path):
                left.append(next(names))
                os.rename(entry.path, left[-1])
        os.rmdir(folder)
    os.rmdir(heap)


def _check(until):
    if time.monotonic() > until:
        raise TimeoutError("what the program has written takes too long to remove")


def _removed(path):
    """Whether it is gone now: a file, an empty folder, or nothing."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        os.unlink(path)
    except OSError:
        return False
    return True


def _stamp(folder):
    try:
        return os.stat(folder).st_ctime_ns
    except OSError:
        return None


def main():
    unsafe = "--unsafe" in sys.argv[1:]
    if unsafe:
        end_with(os.getppid())
    for name in _COMMON_MODULES.split():
        __import__(name)
    for name in ("exit", "quit"):  # which ``site`` would add, that costs its imports
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    gc.collect()
    gc.freeze()
    zygote = Zygote(unsafe)
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", 1 << 16)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    supervisor = Supervisor(source, sink, unsafe, zygote)
    try:
        supervisor.serve()
    finally:
        if unsafe:
            shutil.rmtree(supervisor.base, ignore_errors=True)


if __name__ == "__main__":
    main()
