"""Assertions that the host could not turn into calls: test code and program in two processes.

The test code runs in the tester. What the program defines has stand-ins there (``stand_ins.py``),
which ask the program's process (``served.py``); only plain values travel between them, and marks
for what is not. So the program cannot reach the expectation by walking its own memory, replace what
the test compares with, or end the test by exiting. It remains ``trust: low``: the reference is in
the same sandbox.

What the test's text shows to mean Python's own (``names.py``) is that, whatever the program calls
so: it must not replace the ``abs`` that its answer is checked with.
"""

import builtins
import functools
import io
import sys
import types

import names
from outcomes import describe_exception
from stand_ins import Exited, Session, raised_by_program


def run_assertion(code, connection):
    """Run the test code against the program and return the body of the answer."""
    try:
        session = Session(connection)
        loaded, stand_ins = session.load()
        if loaded["outcome"] != "returned":
            return {key: loaded[key] for key in ("outcome", "exception") if key in loaded}
        body = _outcome(code, stand_ins)
        if not session.asked and body["outcome"] == "returned":
            return {"outcome": "invalid", "message": "the test code asks nothing of the program"}
    except Exited:
        session.over = True
    return {"outcome": "exited", "status": None} if session.over else body


def _outcome(code, stand_ins):
    own_output, sys.stdout = sys.stdout, io.StringIO()  # the test's prints are not the program's
    try:
        compiled = compile(code, "<test>", "exec")
        _as_modules(stand_ins)
        stand_ins.update(names.pythons(compiled), __name__="__main__", __builtins__=builtins)
        exec(compiled, stand_ins)
    except SystemExit as error:  # as unittest.main() ends
        if error.code:
            failed = AssertionError("the test code exited as failed")
            return {"outcome": "raised", "exception": describe_exception(failed)}
    except Exited:
        raise
    except BaseException as error:
        if body := raised_by_program(error):
            return {"outcome": body["outcome"], "exception": body.get("exception")}
        return {"outcome": "raised", "exception": describe_exception(error)}
    finally:
        sys.stdout = own_output
    return {"outcome": "returned"}


def _as_modules(stand_ins):
    """For what imports the program, and for ``unittest.main()``, which looks for tests there."""
    for name in ("solution", "__main__"):
        module = types.ModuleType(name)
        module.__getattr__ = functools.partial(_member, stand_ins)
        module.__dir__ = stand_ins.keys
        sys.modules[name] = module


def _member(stand_ins, name):
    try:
        return stand_ins[name]
    except KeyError:
        raise AttributeError(name) from None
