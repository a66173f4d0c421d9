"""In a forked process: wait for a program, become it, run it. The process never returns from here.

A process is forked ahead of its program, while the executor is idle, and touches the memory that
every program needs: under gVisor that is most of what a fork costs. Until it has its orders it is
root's and has seen nothing of any program.
"""

import json
import os
import resource
import signal
import socket
import struct
import sys
import threading

import attachments
import native
import runner
import served
import tester
import traced
from dialogue import Connection
from outcomes import FILE_NAME
from process import confine
from reports import Reporter
from streams import Streams

LENGTH = struct.Struct(">I")
_OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
_THREAD_STACK = 8 << 20  # Linux's own; that of the main thread, which is larger, would be theirs
_WARM = "import sys\ndef f(x, y=0):\n    return [str(x), {x: y}]\nz = f(1)\n"

DESCRIPTORS = 6
_ORDERS, _ANSWERS, _BELL = 3, 4, 5


def main(descriptors):
    """Run a program with ``descriptors`` as its first six: standard input, output and error, then
    orders to wait for, answers to report on, and a bell: to tell the pid, to ring once become the
    program's, or to say why that failed."""
    status = 1
    try:
        try:
            streams = _settle(descriptors)
            job = _receive(_ORDERS)
            _become(job)
            reporter = Reporter(_ANSWERS, _BELL, streams, job["limits"]["output_bytes"])
            reporter.ring()
        except BaseException as error:
            os.write(_BELL, f"{type(error).__name__}: {error}".encode())
            os._exit(1)
        _ROLES[job["role"]](job, reporter)
        status = 0
    finally:
        os._exit(status)


def _settle(descriptors):
    """Leave the zygote's session and descriptors behind; touch memory."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Each is beyond its own place and those before it.
    for target, fd in enumerate(descriptors):
        os.dup2(fd, target, inheritable=target < _ORDERS)
    os.closerange(DESCRIPTORS, _OPEN_FILES)
    os.write(_BELL, LENGTH.pack(os.getpid()))
    sys.argv = [FILE_NAME]
    exec(compile(_WARM, "<warm>", "exec"), {})
    threading.stack_size(_THREAD_STACK)
    streams = Streams()
    streams.renew("")
    return streams


def _receive(orders):
    (length,) = LENGTH.unpack(_read(orders, LENGTH.size))
    return json.loads(_read(orders, length))


def _read(fd, count):
    parts = []
    while count:
        part = os.read(fd, min(count, 1 << 20))
        if not part:
            os._exit(0)  # the supervisor is gone
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _become(job):
    box, owner = job["box"], job["owner"]
    os.mkdir(box, 0o700)
    if owner is not None:
        for target in (0, 1, 2):
            os.fchown(target, owner, owner)
        os.chown(box, owner, owner)
    os.environ.update(HOME=box, TMPDIR=box, PWD=box)
    if job["role"] == "assertion":
        _part_from_the_test(job)
    confine(job, job["owner"])
    if job.get("files"):
        attachments.place(job["files"])


def _part_from_the_test(job):
    """Fork: the program on one side of a socket, the test code, as another uid, on the other. It
    comes only now, so that the program's memory has never held it."""
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        job["tests"] = _receive(_ORDERS)
        job["connection"] = ours
        job["owner"] = job["tester"]
        job["box"] = "/"
    else:
        ours.close()
        os.close(_ORDERS)
        job["connection"] = theirs
        job["role"] = "program"


def _run_tests(job, reporter):
    def wait_turn():
        _read(_ORDERS, 1)

    wait = wait_turn if job["step"] else None
    runner.run_tests(job["code"], job["tests"], reporter, wait, job["coverage"])


def _run_native(job, reporter):
    native.run(job, reporter, lambda: _read(_ORDERS, 1))


def _run_traced(job, reporter):
    traced.run(job, job["limits"], reporter)


def _run_assertion(job, reporter):
    connection = Connection(job["connection"], reporter.note if job["coverage"] else None)
    reporter.send(tester.run_assertion(job["tests"][0]["code"], connection))
    reporter.ring()


def _serve_program(job, reporter):
    os.close(_ANSWERS)
    served.serve_program(job["code"], Connection(job["connection"]), job["coverage"])


_ROLES = {
    "tests": _run_tests,
    "native": _run_native,
    "trace": _run_traced,
    "assertion": _run_assertion,
    "program": _serve_program,
}
