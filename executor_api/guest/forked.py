"""In a forked process: wait for a program, become it, run it. The process never returns from here.

A process is forked ahead of its program, while the executor is idle, and touches the memory that
every program needs: under gVisor that is most of what a fork costs. Until it has its orders it is
root's and has seen nothing of any program.
"""

import contextlib
import json
import os
import signal
import socket
import struct
import sys

import runner
import tester
import traced
from process import confine

_LENGTH = struct.Struct(">I")
_WARM = "import sys\ndef f(x, y=0):\n    return [str(x), {x: y}]\nz = f(1)\n"


def main(streams, orders, answers, failure):
    """Wait on ``orders``; report on ``answers``; say on ``failure`` why it could not begin.

    The other end of ``failure`` sees its end once the process is the program's.
    """
    status = 1
    try:
        try:
            _settle(streams, {orders, answers, failure})
            orders, answers, failure = map(_lowest, (orders, answers, failure))
            job = _receive(orders)
            _become(job)
        except BaseException as error:
            os.write(failure, f"{type(error).__name__}: {error}".encode())
            os._exit(1)
        os.close(failure)
        _ROLES[job["role"]](job, orders, answers)
        status = 0
    finally:
        os._exit(status)


def _settle(streams, kept):
    """Leave the supervisor's session, signals and descriptors behind; touch memory."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    streams.install()
    _close_all_but({0, 1, 2, *kept})
    sys.argv = [runner.FILE_NAME]
    exec(compile(_WARM, "<warm>", "exec"), {})
    runner.fresh_streams("")


def _close_all_but(kept):
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with contextlib.suppress(OSError):  # the listing's own descriptor
                os.close(int(name))


def _lowest(fd):
    """The same file at the lowest free descriptor: how many spares there are shows nowhere."""
    low = os.dup(fd)
    os.close(max(low, fd))
    return min(low, fd)


def _receive(orders):
    (length,) = _LENGTH.unpack(_read(orders, _LENGTH.size))
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


def _part_from_the_test(job):
    """Fork: the program on one side of a socket, the test code, as another uid, on the other."""
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        job["connection"] = ours
        job["owner"] = job["tester"]
        job["box"] = "/"
    else:
        ours.close()
        job["connection"] = theirs
        job["role"] = "program"


def _run_tests(job, orders, answers):
    def wait_turn():
        _read(orders, 1)

    reporter = runner.Reporter(answers, job["limits"]["output_bytes"])
    runner.run_tests(job["code"], job["tests"], reporter, wait_turn if job["step"] else None)


def _run_traced(job, orders, answers):
    traced.run(job, job["limits"], answers)


def _run_assertion(job, orders, answers):
    reporter = runner.Reporter(answers, job["limits"]["output_bytes"])
    connection = tester.Connection(job["connection"])
    reporter.send(tester.run_assertion(job["tests"][0]["code"], connection))


def _serve_program(job, orders, answers):
    os.close(answers)
    tester.serve_program(job["code"], tester.Connection(job["connection"]))


_ROLES = {
    "tests": _run_tests,
    "trace": _run_traced,
    "assertion": _run_assertion,
    "program": _serve_program,
}
