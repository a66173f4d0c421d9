"""The supervisor's side of ``native.py``: wait for the build and for each test, enforce their
limits, and say how they ended.

The process that reports has the program's uid, so nothing it says may bring the supervisor down.
"""

import json
import os
import re
import signal
import time

import native as launcher

_SHOWN_BYTES = 4_000  # of what the compiler wrote, in the answer to each test
_KEPT_BYTES = 64 << 10
_MESSAGE_CHARS = 500
_LAUNCHER_MB = 16
_END_SECONDS = 0.1
_MEMORY_SIGNS = ("out of memory", "virtual memory exhausted", "bad_alloc")
_DIED = {"status": 1 << 8, "cpu": 0.0, "memory": 0.0}


def run(supervisor, header, job, tests, position):
    """Run ``tests`` in one batch; return (how many were answered, whether to go on)."""
    native = job["native"]
    if "failure" in native:
        return _report_failure(supervisor, header, native, len(tests), position)
    limits = header["limits"]
    limits = limits | {"resident_mb": limits["memory_mb"] + native["idle_mb"] + _LAUNCHER_MB}
    keys = {key: job[key] for key in ("code", "native", "files") if key in job}
    child = supervisor._child(
        keys
        | {"role": "native", "tests": tests, "step": header["step"], "limits": limits}
        | {"envelope": launcher.envelope(limits, native)}
    )
    try:
        if native.get("built") is None and not _build(child, native, supervisor.run_until):
            return _report_failure(supervisor, header, native, len(tests), position)
        return _run_tests(supervisor, header, native, child, len(tests), position)
    finally:
        child.end()
        _let_end(supervisor)


def _run_tests(supervisor, header, native, child, count, position):
    child.go()
    for index in range(count):
        child.watch.restart(supervisor.run_until)
        told, end = _told(child)
        if index and told is None and end[0] in ("exited", "signaled"):
            return index, True  # that may be an earlier test's doing: run it alone
        end = end or _end(told, child, native)
        supervisor.send(*_frame(header, position + index, child, told, end))
        if header["step"] and not supervisor._asked_to_go_on(child):
            return index + 1, False
        if told is None or time.monotonic() >= supervisor.run_until:
            return index + 1, True
        if not header["step"]:
            child.go()
    return count, True


def _let_end(supervisor):
    """Wait a moment for what has just been killed: else the clean-up would kill the processes
    forked ahead with it."""
    deadline = time.monotonic() + _END_SECONDS
    while supervisor._others() and time.monotonic() < deadline:
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        time.sleep(0.001)


def _told(child):
    """The launcher's next report as (report, None), or (None, how it ended)."""
    answer, end = child.answer()
    if answer is None:
        return None, end
    try:
        report = json.loads(answer)
        status, cpu, memory = report["status"], report["cpu"], report["memory"]
        good = type(status) is int and 0 <= status <= 0xFFFF
        good = good and all(type(x) is float and 0 <= x < 1e9 for x in (cpu, memory))
        return (report if good else dict(_DIED)), None
    except (ValueError, TypeError, KeyError, RecursionError):
        return dict(_DIED), None


def _end(told, child, native):
    """How a test's process ended, as (kind, code)."""
    if told["memory"] > child.limits["memory_mb"] + native["idle_mb"] or told.get("no_memory"):
        return "memory_limit", None
    status = told["status"]
    if status == 0:
        return "exited", 0
    _, stderr, _ = child.files.read(_KEPT_BYTES)
    if any(sign.encode() in stderr for sign in native["memory_signs"]):
        return "memory_limit", None
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return ("cpu_limit", None) if number == signal.SIGXCPU else ("signaled", number)
    return "exited", os.WEXITSTATUS(status)


def _frame(header, index, child, told, end):
    kind, code = end
    cpu, memory = (told["cpu"], told["memory"]) if told else child.watch.seen()
    head = {"op": "test", "job": header["job"], "index": index, "end": kind, "code": code}
    head |= {"cpu": cpu, "wall": child.watch.wall(), "memory": memory}
    return head, child.streams_payload()


# --- building ---


def _build(child, native, until):
    """Wait for the build: whether it made a program. ``native`` then holds what it made, what was
    written on the way, or why it failed."""
    limits = native["build_limits"]
    child.watch.limits = limits | {"resident_mb": limits["memory_mb"] + _LAUNCHER_MB}
    child.watch.restart(until)
    told, end = _told(child)
    child.watch.limits = child.limits
    stdout, stderr = (text.decode("utf-8", "replace") for text in child.files.read(_KEPT_BYTES)[:2])
    native["build_report"] = {"wall": child.watch.wall(), "stdout": stdout, "stderr": stderr}
    if told and told["status"] == 0:
        native["built"] = told.get("artifact", "")
        return True
    native["failure"] = _failure(native, end and end[0], stderr or stdout)
    return False


def _failure(native, end, text):
    """The exception of a build that failed."""
    limits = native["build_limits"]
    line = None
    if end in ("cpu_limit", "wall_limit"):
        clock = "cpu_seconds" if end == "cpu_limit" else "wall_seconds"
        kind, message = "CompileTimeLimit", f"compiling took more than {limits[clock]:g} s"
    elif end == "memory_limit" or any(sign in text for sign in _MEMORY_SIGNS):
        kind = "CompileMemoryLimit"
        message = f"compiling needed more than {limits['memory_mb']} MiB"
    elif end == "output_limit":
        kind = "CompileOutputLimit"
        message = f"the compiler wrote more than {limits['output_bytes']} bytes"
    else:
        kind, message, line = "CompileError", _first_error(text), _line(native["file"], text)
    return {"type": kind, "message": message[:_MESSAGE_CHARS], "line": line}


def _first_error(text):
    lines = [line for line in text.splitlines() if line.strip()] or ["the compiler failed"]
    return next((line for line in lines if "error" in line.lower()), lines[0])


def _line(name, text):
    found = re.search(rf"{re.escape(name)}: ?(?:line )?(\d{{1,9}})\b", text)
    return int(found.group(1)) if found else None


def _report_failure(supervisor, header, native, count, position):
    report = native["build_report"]
    text = (report["stderr"] or report["stdout"])[:_SHOWN_BYTES]
    body = {"outcome": "compile_error", "exception": native["failure"], "stderr": text}
    payload = json.dumps(body).encode()
    head = {"op": "test", "job": header["job"], "end": "answered", "code": None}
    head |= {"cpu": 0.0, "wall": report["wall"], "memory": 0.0}
    for index in range(count):
        supervisor.send(head | {"index": position + index}, payload)
        if header["step"] and supervisor.receive()[0]["op"] != "next":
            return index + 1, False
    return count, True
