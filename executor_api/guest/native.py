"""In a forked process: build a program that is not Python, then run each test in a process of its
own and report how that ended.

This process has the program's uid: the program may kill or imitate it, which gains it nothing but
a verdict about itself. What a test wrote is read by the supervisor.
"""

import base64
import errno
import json
import os
import resource
import signal

from reports import HEAD, write_all

_LAUNCHER = 1  # this process counts among the program's
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_NOT_FOUND = 127 << 8  # as a shell says it, in the form of a wait status


def run(job, reporter, wait_turn):
    """Build, unless it has been, and run the tests. ``wait_turn()`` is called before each: until
    then the supervisor reads what the last one wrote."""
    native = job["native"]
    program = _File(native["file"], job["code"].encode("utf-8", "surrogatepass"))
    if native.get("built") is None:
        _limit_memory(job, native["build_limits"]["memory_mb"], hard=False)
        report = _wait_for(native["build"])
        built = report["status"] == 0
        if built and native["artifact"]:
            with open(native["artifact"], "rb") as file:
                report["artifact"] = base64.b64encode(file.read()).decode()
        _send(reporter, report)
        if not built:
            return
        native["built"] = report.get("artifact", "")
    if native["artifact"]:
        program = _File(native["artifact"], base64.b64decode(native["built"]))
    _limit_tests(job)
    _run_tests(job, program, reporter, wait_turn)


def _run_tests(job, program, reporter, wait_turn):
    for index, test in enumerate(job["tests"]):
        wait_turn()
        if index and _survivors(job["owner"]):
            return  # the supervisor runs the rest after having cleaned up
        program.restore()
        _fresh_streams(test["stdin"])
        _send(reporter, _wait_for(job["native"]["run"]))


class _File:
    """A file of ours in the program's directory, written again where a test has changed it."""

    def __init__(self, name, data):
        self._name, self._data = name, data
        self._seen = None
        self.restore()

    def restore(self):
        if self._seen is None or self._seen != self._state():
            with open(self._name, "wb") as file:
                file.write(self._data)
            os.chmod(self._name, 0o700)
            self._seen = self._state()

    def _state(self):
        try:
            found = os.stat(self._name)
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode


def _wait_for(command):
    """Run ``command`` to its end: its wait status, CPU seconds and peak MiB."""
    try:
        pid = os.posix_spawnp(command[0], command, os.environ, setsigdef=_IGNORED_BY_PYTHON)
    except OSError as error:
        short = error.errno in (errno.ENOMEM, errno.EAGAIN)
        return {"status": _NOT_FOUND, "cpu": 0.0, "memory": 0.0, "no_memory": short}
    _, status, usage = os.wait4(pid, 0)
    cpu = usage.ru_utime + usage.ru_stime
    return {"status": status, "cpu": cpu, "memory": usage.ru_maxrss / 1024}


def _send(reporter, report):
    """Unlike the tests of Python, each of these has its streams to itself from the start."""
    data = json.dumps(report).encode()
    write_all(reporter.fd, HEAD.pack(len(data), 0, 0) + data)
    reporter.ring()


def _fresh_streams(stdin):
    for fd in (0, 1, 2):
        os.lseek(fd, 0, os.SEEK_SET)
        os.ftruncate(fd, 0)
    write_all(0, stdin.encode("utf-8", "surrogatepass"))
    os.lseek(0, 0, os.SEEK_SET)


def _limit_tests(job):
    """Lower this process's own limits: the tests' processes inherit them."""
    limits, native = job["limits"], job["native"]
    spare = native["spare_address_space_mb"]
    if spare is not None:
        _limit_memory(job, limits["memory_mb"] + spare, hard=True)
    else:
        resource.setrlimit(resource.RLIMIT_AS, (_hard_memory(), _hard_memory()))
    if job["owner"] is not None:
        most = limits["processes"] + native["threads"] + _LAUNCHER
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _limit_memory(job, mebibytes, *, hard):
    value = job["base_memory"] + (mebibytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (value, value if hard else _hard_memory()))


def _hard_memory():
    return resource.getrlimit(resource.RLIMIT_AS)[1]


def _survivors(owner):
    """Whether a process of the last test is still running."""
    if owner is None:  # a plain process on the host: others have this uid
        return False
    try:
        os.kill(-1, 0)
    except ProcessLookupError:
        return False
    return True


def envelope(limits, native):
    """The limits that hold while building and for the tests: the larger of both."""
    build = native["build_limits"]
    return {
        "cpu_seconds": limits["cpu_seconds"] + build["cpu_seconds"],
        "memory_mb": 1 << 20,
        "output_bytes": max(limits["output_bytes"], build["output_bytes"]),
        "processes": max(limits["processes"] + native["threads"], build["processes"]) + _LAUNCHER,
    }
