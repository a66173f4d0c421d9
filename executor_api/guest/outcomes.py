"""How a run of the program's code ended, and what is told of its exceptions."""

import os
import sys
import traceback

from process import open_reserve
from streams import errors_written
from waymarks import unmarked

FILE_NAME = "<program>"
_write = os.write  # programs do replace functions of modules


def guarded(run):
    """Run it and say how it ended, as the body of an answer."""
    try:
        run()
    except SystemExit as error:
        return {"outcome": "exited", "status": exit_status(error.code)}
    except MemoryError as error:
        open_reserve()
        return {"outcome": "memory", "exception": describe_exception(error)}
    except BaseException as error:
        _print_traceback(error)
        return {"outcome": "raised", "exception": describe_exception(error)}
    return {"outcome": "returned"}


def exit_status(code):
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) & 0xFF
    try:
        print(code, file=sys.stderr)
    except BaseException:
        return 1
    return 1


def _print_traceback(error):
    try:
        sys.stderr.flush()
        text = "".join(traceback.format_exception(type(error), error, own_frames(error)))
        _print_error(text.encode("utf-8", "backslashreplace"))
    except BaseException:
        _print_error(b"(the exception could not be printed)\n")


def _print_error(text):
    errors_written.append(True)
    _write(2, text)


def own_frames(error):
    """The traceback from the first frame of the submitted code on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != FILE_NAME:
        trace = trace.tb_next
    return trace


def describe_exception(error):
    """``{type, message, line}``, the line in the submitted code."""
    name = type.__dict__["__name__"].__get__(type(error))
    try:
        message = str(error)[:500]
    except BaseException:
        message = ""
    return {"type": name, "message": str.__str__(message), "line": _line(error)}


def _line(error):
    if isinstance(error, SyntaxError) and error.filename == FILE_NAME:
        return error.lineno
    line = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == FILE_NAME:
            line = unmarked(number)
    return line
