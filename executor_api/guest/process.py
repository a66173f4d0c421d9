"""One child process of the supervisor: its descriptors, limits, identity, and the watch over it.

The supervisor runs one program at a time, so every process in the sandbox but the supervisor
and those it has forked ahead belongs to that program.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import time

_OWN_FILES = 16 << 20  # bytes a program may write to a file of its own
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_CPUS = os.cpu_count() or 1
_PR_SET_DUMPABLE = 4
_LIBC = ctypes.CDLL(None)


class Streams:
    """The files that stand behind descriptors 0, 1 and 2 of a program."""

    def __init__(self):
        self.stdin, self.stdout, self.stderr = map(os.memfd_create, ("stdin", "stdout", "stderr"))
        for fd in (self.stdin, self.stdout, self.stderr):
            os.fchmod(fd, 0o600)  # gVisor lets anyone reopen them through /proc/PID/fd

    def install(self):
        for target, fd in enumerate((self.stdin, self.stdout, self.stderr)):
            os.dup2(fd, target)
            os.close(fd)

    def read(self, limit):
        """Return (stdout, stderr, truncated) as bytes, each at most ``limit`` bytes."""
        return read_streams(self.stdout, self.stderr, limit)

    def overflown(self, limit):
        return max(os.fstat(fd).st_size for fd in (self.stdout, self.stderr)) > limit

    def close(self):
        for fd in (self.stdin, self.stdout, self.stderr):
            os.close(fd)


def read_streams(stdout, stderr, limit):
    texts = [_read_file(fd, limit + 1) for fd in (stdout, stderr)]
    return texts[0][:limit], texts[1][:limit], max(map(len, texts)) > limit


def _read_file(fd, limit):
    parts, offset = [], 0
    while offset < limit:
        part = os.pread(fd, min(limit - offset, 1 << 20), offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def confine(job, owner):
    """In the child: apply the job's limits and drop to the unprivileged ``owner`` (None: stay)."""
    limits = job["limits"]
    cpu = int(limits["cpu_seconds"] * len(job["tests"])) + 2
    files = max(limits["output_bytes"] + 4096, _OWN_FILES)
    memory = job["base_memory"] + (limits["memory_mb"] << 20)
    for kind, value in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, files),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        _limit(kind, value)
    os.chdir(job["box"])
    if owner is not None:
        _limit(resource.RLIMIT_NPROC, limits["processes"])
        os.setgroups([])
        os.setresgid(owner, owner, owner)
        os.setresuid(owner, owner, owner)
        # Without it /proc/self, and so /dev/stdin, would stay root's.
        _LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    os.umask(0o077)


def _limit(kind, value):
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def own_memory():
    """Address space of this process, in bytes: what ``memory_mb`` is counted from."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


class Watch:
    """Waits for what a child writes, and ends it at its limits.

    ``wake`` is a descriptor that becomes readable on SIGCHLD: a child's end is not always the
    end of its pipe, which a grandchild may hold open. ``others()`` lists the pids of the program.
    """

    def __init__(self, pid, source, streams, limits, wake, others):
        self.pid, self.source, self.streams, self.limits = pid, source, streams, limits
        self.wake, self.others = wake, others
        self.usage = None
        self.status = None
        self._poll = select.poll()
        self._poll.register(source, select.POLLIN)
        self._poll.register(wake, select.POLLIN)
        self._reading = 0.0, time.monotonic()

    def restart(self, until):
        """Start the clocks of the next test, which must be over at ``until`` whatever its limit.

        Reading /proc for each test would cost more than most tests do: what the tests since the
        last reading used is taken as their wall time, which can only favour the program.
        """
        self.started = time.monotonic()
        self._wall_end = min(self.started + self.limits["wall_seconds"], until)
        cpu, when = self._reading
        self.cpu_before = cpu + self.started - when
        self._tick = self.started + min(0.1, self.limits["cpu_seconds"] / _CPUS)

    def wall(self):
        return time.monotonic() - self.started

    def read(self):
        """Return (data, None) for bytes from the child, or (None, end) when it is over."""
        while True:
            if self.status is not None:
                return self._drain()
            if time.monotonic() >= self._tick:  # before any data: a flood must not postpone it
                end = self._crossed()
                if end:
                    self._kill()
                    return None, (end, None)
            timeout = max(0.0, self._tick - time.monotonic())
            ready = [fd for fd, _ in self._poll.poll(timeout * 1000 + 1)]
            if self.source in ready:
                data = os.read(self.source, 1 << 20)
                if data:
                    return data, None
                self._poll.unregister(self.source)
            if self.wake in ready:
                os.read(self.wake, 512)
            self._reap()

    def _drain(self):
        """After the child's end: what is left in the pipe, then how it ended."""
        os.set_blocking(self.source, False)
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.source, 1 << 20)
            if data:
                return data, None
        return None, self.end()

    def end(self):
        """How the process ended, as (kind, code)."""
        if os.WIFSIGNALED(self.status):
            number = os.WTERMSIG(self.status)
            return ("cpu_limit", None) if number == signal.SIGXCPU else ("signaled", number)
        return "exited", os.WEXITSTATUS(self.status)

    def _reap(self):
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid:
            self.status, self.usage = status, usage

    def _kill(self):
        os.kill(self.pid, signal.SIGKILL)
        _, self.status, self.usage = os.wait4(self.pid, 0)

    def _crossed(self):
        """Which limit the program has crossed; else set the time of the next look."""
        total = self.cpu()
        self._reading = total, time.monotonic()
        used = total - self.cpu_before
        if used >= self.limits["cpu_seconds"]:
            return "cpu_limit"
        left = self._wall_end - time.monotonic()
        if left <= 0:
            return "wall_limit"
        if self.streams.overflown(self.limits["output_bytes"]):
            return "output_limit"
        wait = min(left, (self.limits["cpu_seconds"] - used) / _CPUS, 0.25)
        self._tick = time.monotonic() + max(wait, 0.01)
        return None

    def cpu(self):
        """CPU seconds of the program so far, children included."""
        return sum(_cpu_of(pid) for pid in self.others() or [self.pid])

    def measured(self):
        """(CPU seconds of this test, peak MiB) where the child is over, else zeros."""
        if self.usage is None:
            return 0.0, 0.0
        cpu = self.usage.ru_utime + self.usage.ru_stime - self.cpu_before
        return max(cpu, 0.0), self.usage.ru_maxrss / 1024


def _cpu_of(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _CLOCK_TICKS
