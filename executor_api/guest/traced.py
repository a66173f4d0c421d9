"""In the program's process: one run under the tracer."""

import contextlib
import io
import json
import sys
import threading
from builtins import OSError, hasattr, len, super

import counting
import tracer
from covered import Coverage
from ending import Home
from outcomes import FILE_NAME
from reports import MAX_ANSWER, write_all
from runner import Program, make_room_for, run_call

_FRAMES = 4  # from _record to the program's own


def run(job, limits, reporter):
    """Run the job and write its records, the ``outcome`` last, to the reporter's descriptor."""
    program = Program(job["code"])
    fd = reporter.fd
    reporter.begin(job["stdin"])
    body = program.failure or _record(program, job, limits, fd)
    data = json.dumps(["outcome", reporter.complete(body)]).encode() + b"\n"
    if len(data) > MAX_ANSWER:
        data = json.dumps(["outcome", {**body, "value": None, "outcome": "invalid"}]).encode()
    write_all(fd, data)


def _record(program, job, limits, fd):
    home, writing = Home(), threading.RLock()

    def write(data):
        with writing:
            if home.ours():
                write_all(fd, data)

    plans, covered = {}, None
    if job["detail"] == "final":
        found = counting.counted(job["code"], FILE_NAME)
        if found is not None:
            program.code, plans = found
    recorder = tracer.Recorder(program.code, limits, job["detail"], write, job["code"], plans)
    if job["detail"] == "lines":
        covered = _covering(program, write)
        sys.stdout = sys.__stdout__ = _told(sys.stdout, recorder.wrote)
    make_room_for(_FRAMES)
    recorder.start()
    try:
        body = _perform(program, job)
        home.leave_if_forked(body)
    finally:
        if covered is not None:
            covered.stop()
        recorder.stop()
        recorder.finish()
    program.end()
    return body


def _covering(program, write):
    """What of the program runs, also beyond the limits of the recording; None on Python 3.11, where
    there is one hook only."""
    if not hasattr(sys, "monitoring"):
        return None

    def note(data):
        with contextlib.suppress(OSError):  # the program closed the descriptor
            write(b'["covered",' + data[1:] + b"\n")

    covered = Coverage(program.code, note, alone=False)
    covered.start()
    return covered


def _perform(program, job):
    if job["call"] is not None:
        return run_call(program, job["call"])
    return program.main()


def _told(stream, tell):
    """``stream``, telling how many characters have been written to it. (Its ``write`` is a frame of
    Python: a program that prints at the very limit of recursion meets that one call earlier.)"""
    characters = 0

    class TextIOWrapper(io.TextIOWrapper):
        def write(self, text):
            nonlocal characters
            written = super().write(text)
            characters += written
            tell(characters)
            return written

    told = TextIOWrapper(stream.detach(), encoding="utf-8", errors="strict")
    TextIOWrapper.__module__ = "_io"
    return told
