"""One child process of the supervisor: its limits, its identity, and the watch over it.

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

from streams import KEPT_BYTES

_OWN_FILES = 16 << 20  # bytes a program may write to a file of its own
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_CPUS = os.cpu_count() or 1
_GLANCE_SECONDS = 0.02
_ALL_MB = 3072  # of a sandbox's memory, for the processes of one program together
_RESERVE = 64 << 20  # bytes of address space beyond the limit, to say that it was reached
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_LIBC = ctypes.CDLL(None)
_MOST = {
    kind: resource.getrlimit(kind)[1]
    for kind in (
        *(resource.RLIMIT_AS, resource.RLIMIT_CORE, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE),
        *(resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC),
    )
}  # of the supervisor, and so of each child at first
_getrlimit, _setrlimit = resource.getrlimit, resource.setrlimit  # programs do replace them
_closed_at = []  # the soft limit of memory, while the reserve is open
_small = []  # of every size that Python allocates for its own objects


def confine(job, owner):
    """In the child: apply the job's limits and drop to the unprivileged ``owner`` (None: stay)."""
    limits = job.get("envelope", job["limits"])
    cpu = int(limits["cpu_seconds"] * len(job["tests"])) + 2
    files = max(limits["output_bytes"] + KEPT_BYTES + 4096, _OWN_FILES)
    memory = job["base_memory"] + (limits["memory_mb"] << 20)
    _limit(resource.RLIMIT_AS, memory, memory + _RESERVE)
    for kind, value in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, files),
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


def _limit(kind, value, hard=None):
    most = _MOST[kind]
    hard = value if hard is None else hard
    if most != resource.RLIM_INFINITY:
        value, hard = min(value, most), min(hard, most)
    resource.setrlimit(kind, (value, hard))


def _put_by():
    _small.extend(bytes(size) for size in range(0, 480, 16) for _ in range(8))
    _small.extend((1 << 40) + n for n in range(256))


_put_by()


def open_reserve():
    """Allow memory to report with: the program may hold all that it may have. Then this cannot
    allocate anything either, nor can Python say so: it would try to for ever."""
    _small.clear()
    soft, hard = _getrlimit(resource.RLIMIT_AS)
    if soft != hard:
        _setrlimit(resource.RLIMIT_AS, (hard, hard))
        _closed_at.append(soft)


def close_reserve():
    if _closed_at:
        _setrlimit(resource.RLIMIT_AS, (_closed_at.pop(), _getrlimit(resource.RLIMIT_AS)[1]))
        _put_by()


def own_memory():
    """Address space of this process, in bytes: what ``memory_mb`` is counted from."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def end_with(parent):
    """Have the kernel kill this process when ``parent`` ends: the thread of it that forked, which
    must live as long. Children of this process, and what it becomes under another uid, do not
    inherit that."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it had ended before


def end_group(pid):
    """Kill the group that a process leads, or will: then it alone."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


class Watch:
    """Waits for what a child writes, and ends it at its limits.

    What ``source`` holds is read when ``bell`` can be (rung, or ``source`` itself), and now and
    then without: waking at every answer would cost more than most tests do. The ``zygote`` tells
    of the child's end, which is not always that of its pipe: a grandchild may hold it open.
    ``others()`` lists the pids of the program.
    """

    def __init__(self, pid, zygote, source, bell, files, limits, others):
        self.pid, self.source, self.files, self.limits = pid, source, files, limits
        self.bell, self.zygote, self.others = bell, zygote, others
        self.usage = None  # CPU seconds and peak KiB
        self.status = None
        self._crossing = None  # the limit for which it was killed
        os.set_blocking(source, False)
        self._poll = select.poll()
        self._poll.register(bell, select.POLLIN)
        self._polled = True
        self._poll.register(zygote.socket, select.POLLIN)
        self._reading = 0.0, time.monotonic()
        self._resident = 0.0

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
        self._looked = False
        self._crossing = None

    def wall(self):
        return time.monotonic() - self.started

    def read(self):
        """Return (data, None) for bytes from the child, or (None, end) when it is over."""
        while True:
            due = self.status is None and time.monotonic() >= self._tick
            if not (due and self._looked):  # a flood must not postpone the limits
                self._looked = due
                data = self._available()
                if data:
                    return data, None
            if self.status is not None:
                return None, self._crossing or self.end()
            end = self._crossed() if due else None
            if end is None:
                self._wait()
            else:  # it may have answered at that very moment
                self._kill()
                self._crossing = end, None

    def _available(self):
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.source, 1 << 20)
            if not data and self.bell == self.source:
                self._silence()
        if self.files.shared:  # what is in memory came before what is in the pipe
            return self.files.answers() + data
        return data

    def _wait(self):
        timeout = min(max(0.0, self._tick - time.monotonic()), _GLANCE_SECONDS)
        ready = [fd for fd, _ in self._poll.poll(timeout * 1000 + 1)]
        if self.bell in ready and self.bell != self.source and not os.read(self.bell, 4096):
            self._silence()
        self._reap()

    def _silence(self):
        """Its other end is closed: it would be ready for ever."""
        if self._polled:
            self._poll.unregister(self.bell)
            self._polled = False

    def end(self):
        """How the process ended, as (kind, code)."""
        if os.WIFSIGNALED(self.status):
            number = os.WTERMSIG(self.status)
            return ("cpu_limit", None) if number == signal.SIGXCPU else ("signaled", number)
        return "exited", os.WEXITSTATUS(self.status)

    def _reap(self):
        ended = self.zygote.ended(self.pid)
        if ended:
            self.status, *self.usage = ended

    def _kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.status, *self.usage = self.zygote.ended(self.pid, wait=True)

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
        if self.files.overflown(self.limits["output_bytes"]):
            return "output_limit"
        most = self.limits.get("resident_mb")  # of languages that RLIMIT_AS does not bound well
        if most is None and len(self.others()) > 1:
            most = _ALL_MB
        if most:
            self._resident = self.resident()
            if self._resident > most:
                return "memory_limit"
        wait = min(left, (self.limits["cpu_seconds"] - used) / _CPUS, 0.05 if most else 0.25)
        self._tick, self._looked = time.monotonic() + max(wait, 0.01), False
        return None

    def cpu(self):
        """CPU seconds of the program so far, children included."""
        return sum(_cpu_of(pid) for pid in self.others() or [self.pid])

    def seen(self):
        """(CPU seconds of this test, MiB) at the last look."""
        return max(self._reading[0] - self.cpu_before, 0.0), self._resident

    def resident(self):
        """MiB of the program now, children included; shared pages count for each."""
        pages = sum(_resident_of(pid) for pid in self.others() or [self.pid])
        return pages * resource.getpagesize() / (1 << 20)

    def measured(self):
        """(CPU seconds of this test, peak MiB) where the child is over, else zeros."""
        if self.usage is None:
            return 0.0, 0.0
        cpu, peak = self.usage
        return max(cpu - self.cpu_before, 0.0), peak / 1024


def _cpu_of(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _CLOCK_TICKS


def _resident_of(pid):
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1])
    except (OSError, IndexError):
        return 0
