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
import io
import sys

import names
from runner import describe_exception
from stand_ins import Exited, Session, raised_by_program


def run_assertion(code, connection):
    """Run the test code against the program and return the body of the answer."""
    try:
        loaded, stand_ins = Session(connection).load()
        if loaded["outcome"] != "returned":
            return {key: loaded[key] for key in ("outcome", "exception") if key in loaded}
        return _outcome(code, stand_ins)
    except Exited:
        return {"outcome": "exited", "status": None}


def _outcome(code, stand_ins):
    own_output, sys.stdout = sys.stdout, io.StringIO()  # the test's prints are not the program's
    try:
        compiled = compile(code, "<test>", "exec")
        stand_ins.update(names.pythons(compiled), __name__="__test__", __builtins__=builtins)
        exec(compiled, stand_ins)
    except Exited:
        raise
    except BaseException as error:
        if body := raised_by_program(error):
            return {"outcome": body["outcome"], "exception": body.get("exception")}
        return {"outcome": "raised", "exception": describe_exception(error)}
    finally:
        sys.stdout = own_output
    return {"outcome": "returned"}
