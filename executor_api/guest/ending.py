"""The end of a program, as the end of a process of its own would be, and whether the process that
it had may run it once more."""

import atexit
import gc
import os
import sys
import threading

from outcomes import guarded

_ENDED_FOR_GOOD = (
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "multiprocessing.util",
)
"""Modules that are of no more use once they have been told of the end."""
_exit, _getpid = os._exit, os.getpid  # programs do replace functions of modules


def end_of_process(body):
    """What the interpreter does at exit: join threads, run exit handlers, flush."""
    finish = guarded(_finish)
    if finish["outcome"] != "returned" and body["outcome"] == "returned":
        return finish
    return body


def _finish():
    for tell in reversed(getattr(threading, "_threading_atexits", ())):  # as pools of threads wait
        tell()
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    flush()


def end_of_module(namespace, source):
    """Clear ``__main__`` where that runs code of the program: ``__del__``, and what follows the
    ``yield`` of a generator that has not ended."""
    if "__del__" in source or ("yield" in source and ("finally" in source or "with" in source)):
        guarded(lambda: _clear(namespace))


def _clear(namespace):
    for name in [name for name in namespace if name != "__builtins__"]:
        namespace[name] = None
    gc.collect()
    flush()


def flush():
    for stream in (sys.stdout, sys.stderr):
        flush = getattr(stream, "flush", None)
        if flush is not None and not getattr(stream, "closed", False):
            flush()
    for stream in (sys.__stdout__, sys.__stderr__):
        if not _detached(stream) and not stream.closed:
            stream.flush()


def _detached(stream):
    """Whether the program has taken its buffer; it then flushes what it made of that."""
    try:
        return stream.buffer is None
    except ValueError:
        return True


class Home:
    """The process and working directory that a program was given."""

    def __init__(self):
        self._pid = _getpid()
        self._folder = os.getcwd()
        self._files = os.listdir(self._folder)

    def leave_if_forked(self, body):
        """End a child of the program's that has come to the end of its code: it has no part in the
        answer."""
        if not self.ours():
            _exit(body.get("status", int(body["outcome"] != "returned")))

    def ours(self):
        """Whether this is that process, and no child of it."""
        return _getpid() == self._pid

    def used_up(self):
        """Whether what a run has left would be seen by another."""
        return survivors() or any(name in sys.modules for name in _ENDED_FOR_GOOD) or self._moved()

    def _moved(self):
        try:
            return os.getcwd() != self._folder or os.listdir(self._folder) != self._files
        except OSError:
            return True


def survivors():
    """Whether a thread or child of the last test is still running."""
    if threading.active_count() > 1:
        return True
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True
