"""In the program's process: run it on each test and report what it did.

Everything here shares a process with untrusted code, which may patch or forge any of it: what
is reported is evidence about the program's own answers, no more. The expectations are elsewhere.
"""

import builtins
import enum
import json
import linecache
import os
import resource
import struct
import sys
import threading
import time
import types
from builtins import OSError, len, memoryview  # what ``Reporter.note`` uses as the program runs
from itertools import islice

from codec import MAX_ITEMS, NotPlain, decode, encode
from covered import Coverage
from ending import Home, end_of_module, end_of_process, flush, survivors
from memory_streams import MemoryInput, MemoryStreams
from outcomes import FILE_NAME, describe_exception, guarded
from process import close_reserve, open_reserve
from reach import stays_within_streams
from waymarks import marked

MAX_ANSWER = 64 << 20
HEAD = struct.Struct(">III")
RING = b"!"
_PIPE_BYTES = 64 << 10
_TICK_SECONDS = 0.01
_FRAMES = 4  # from run_tests to the program's own
_FEW_TESTS = 5  # what sharing memory takes is more than it saves
# Programs do replace functions of modules.
_write, _clock, _getrusage, _dumps = os.write, time.monotonic, resource.getrusage, json.dumps


def _listed(value):
    """A list of what is not plain but can be iterated; else the value itself."""
    plain = isinstance(value, (list, tuple, set, frozenset, dict, str, bytes))
    iterable = not plain and hasattr(type(value), "__iter__")
    return list(islice(value, MAX_ITEMS + 1)) if iterable else value


_MATERIALIZE = {kind.__name__: kind for kind in (list, tuple, set, sorted)} | {"iterated": _listed}


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


class Program:
    """The submitted code, compiled once; loaded as a module at most once."""

    def __init__(self, source):
        self.source = source
        self.failure = None
        self.code = None
        self._main = None
        self._module = None
        self._load_error = None
        linecache.cache[FILE_NAME] = (len(source), None, source.splitlines(True), FILE_NAME)
        try:
            self.code = compile(source, FILE_NAME, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            self.failure = {"outcome": "compile_error", "exception": describe_exception(error)}

    def namespace(self, name):
        """A fresh module for the code to run in, registered as ``name``."""
        module = types.ModuleType(name)
        module.__dict__["__builtins__"] = builtins
        module.__dict__["__file__"] = FILE_NAME
        sys.modules[name] = module
        return module.__dict__

    def main(self):
        """Run the code as ``__main__``, to the end of the process as Python defines it."""
        self._main = self.namespace("__main__")
        return end_of_process(guarded(lambda: exec(self.code, self._main)))

    def end(self):
        """What follows when the values of ``__main__`` are no longer looked at."""
        if self._main is not None:
            end_of_module(self._main, self.source)

    def load(self):
        """Return the globals of the loaded module; the first call runs its body.

        Where that raised, every later call raises the same.
        """
        if self._load_error is not None:
            raise self._load_error
        if self._module is None:
            self._module = self.namespace("solution")
            try:
                exec(self.code, self._module)
            except BaseException as error:
                self._load_error = error
                raise
        return self._module


def make_room_for(frames):
    """Let the program call as deep as it could alone: beneath it are the caller's frames, so many
    more, and where Python counts those, calls of ``exec``."""
    frames += 2 * (sys.version_info < (3, 12))
    below = sys._getframe(1)
    while below is not None:
        frames, below = frames + 1, below.f_back
    sys.setrecursionlimit(sys.getrecursionlimit() + frames)


def run_tests(source, tests, reporter, wait=None, coverage=False):
    """Run ``tests`` in order and report each. ``wait()`` is called before all but the first.

    Ends early where a test needs a process of its own: the supervisor then runs the rest in one.
    """
    program = Program(source)
    make_room_for(_FRAMES)
    home = None
    if _stays_within_streams(program, tests):
        reporter.use_memory(len(tests))
    else:
        home = Home()
    covered = covering(program, reporter.note) if coverage else None
    first = None
    for index, test in enumerate(tests):
        if index:
            if wait is not None:
                wait()
            if home is not None and (home.used_up() if test["kind"] == "stdio" else survivors()):
                return
        reporter.begin(test.get("stdin", ""), keep=test["kind"] != "stdio")
        body = program.failure and dict(program.failure)
        body = body or _RUNNERS[test["kind"]](program, test)
        if home is not None:
            home.leave_if_forked(body)
        if covered is not None:
            covered.check()
        if index and _may_be_due_to(first, body, test, home):
            return
        first = first or body
        reporter.send(body)
        if wait is not None or index == len(tests) - 1:
            reporter.ring()


def _may_be_due_to(first, body, test, home):
    """Whether a failure may be what earlier tests left, in memory or elsewhere. Not where the first
    had failed as well: that saves programs that always fail a process for each test."""
    if body["outcome"] == "memory":
        return True
    unlike = test["kind"] == "stdio" and home is not None and not _failed(first)
    return unlike and _failed(body)


def _failed(body):
    return body["outcome"] == "raised" or bool(body.get("status"))


def covering(program, note):
    """Its coverage, begun; None where it did not compile."""
    if program.code is None:
        return None
    program.code = marked(program.code, program.source)
    covered = Coverage(program.code, note)
    covered.start()
    return covered


def _stays_within_streams(program, tests):
    if program.code is None or not stays_within_streams(program.code):
        return False
    expressions = (test["expression"] for test in tests if test["kind"] == "eval")
    return all(stays_within_streams(_compiled(text)) for text in expressions)


def _compiled(expression):
    return compile(expression, "<test>", "eval")


def run_stdio(program, test):
    body = program.main()
    program.end()
    return body


def run_call(program, test):
    args = decode(test["args"])
    kwargs = {key: decode(value) for key, value in test["kwargs"]}
    name = test["function"]
    return _answer(lambda: resolve(program.load(), name)(*args, **kwargs), test)


def run_eval(program, test):
    code = _compiled(test["expression"])
    return _answer(lambda: eval(code, program.load()), test)


def _answer(compute, test):
    answer = []
    materialize = _MATERIALIZE[test["materialize"]] if test.get("materialize") else None

    def run():
        value = compute()
        answer.append(value if materialize is None else materialize(value))

    body = guarded(run)
    if body["outcome"] == "returned":
        body = encoded(answer[0])
    guarded(flush)
    return body


def encoded(value):
    try:
        return {"outcome": "returned", "value": encode(value)}
    except NotPlain as error:
        return {"outcome": "invalid", "message": str(error)}
    except (RecursionError, RuntimeError, MemoryError) as error:
        return {"outcome": "invalid", "message": f"{type(error).__name__} while reading the value"}


_RUNNERS = {"stdio": run_stdio, "call": run_call, "eval": run_eval}


def resolve(namespace, path):
    """``f``, or ``Class.method`` on a fresh instance."""
    first, *rest = path.split(".")
    if first not in namespace:
        raise NameError(f"name {first!r} is not defined")
    found = namespace[first]
    if rest and _makes_what_has(found, rest[0]):
        found = found()
    for name in rest:
        found = getattr(found, name)
    return found


def _makes_what_has(found, name):
    """Whether it is a class, or a decorator has put a function in its place. An enumeration makes
    no instances."""
    if isinstance(found, type):
        return not isinstance(found, enum.EnumMeta)
    return callable(found) and not hasattr(found, name)
