"""In the program's process: run it on each test and report what it did.

Everything here shares a process with untrusted code, which may patch or forge any of it: what
is reported is evidence about the program's own answers, no more. The expectations are elsewhere.
"""

import builtins
import enum
import linecache
import sys
import types
from itertools import islice

from codec import MAX_ITEMS, NotPlain, decode, encode
from covered import Coverage
from ending import Home, end_of_module, end_of_process, flush, survivors
from outcomes import FILE_NAME, describe_exception, guarded
from reach import stays_within_streams
from waymarks import marked

_FRAMES = 4  # from run_tests to the program's own


def _listed(value):
    """A list of what is not plain but can be iterated; else the value itself."""
    plain = isinstance(value, (list, tuple, set, frozenset, dict, str, bytes))
    iterable = not plain and hasattr(type(value), "__iter__")
    return list(islice(value, MAX_ITEMS + 1)) if iterable else value


_MATERIALIZE = {kind.__name__: kind for kind in (list, tuple, set, sorted)} | {"iterated": _listed}


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
