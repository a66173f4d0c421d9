"""Several worker processes on one listening socket: start them, replace the dead, stop them all.

uvicorn's own supervisor tells nobody when all workers serve, passes no second signal on, and lets
Ctrl-C in a terminal reach its workers twice, which here means to end at once. So this one is ours.
A worker that loses its supervisor drains and ends.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import structlog
from prometheus_client.multiprocess import mark_process_dead

from executor_api.sandbox.temporary_dir import TemporaryDirectory
from executor_api.settings import Settings

log = structlog.get_logger()

_METRICS_PREFIX = "coderl-prometheus-"
_POLL_SECONDS = 0.2
_RESTART_SECONDS = 1.0
"""At least between two starts of one worker."""
_STOP_SECONDS = 60.0
"""Beyond the drain, for answers under way and for sandboxes to end."""

_SPAWN = get_context("spawn")


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker's first sandbox has answered."""

    runtime: str


Work = Callable[[Settings, socket.socket, Callable[[Ready], None]], int]
Announce = Callable[[Ready, socket.socket], None]


class _Worker:
    """One process, and its successor."""

    def __init__(
        self, work: Work, settings: Settings, listener: socket.socket, cores: Sequence[int]
    ) -> None:
        self._arguments = (work, settings, listener, cores)
        self.ready: Ready | None = None
        self.start()

    def start(self) -> None:
        self.started = time.monotonic()
        self.pipe, theirs = _SPAWN.Pipe()
        self.process: BaseProcess = _SPAWN.Process(target=_main, args=(*self._arguments, theirs))
        self.process.start()
        theirs.close()

    def listen(self) -> None:
        """Take what it has said."""
        with contextlib.suppress(EOFError, OSError):
            while self.pipe.poll():
                self.ready = self.pipe.recv()

    @property
    def dead(self) -> bool:
        return not self.process.is_alive()

    def bury(self) -> None:
        self.process.join()
        self.pipe.close()
        if self.process.pid is not None:
            mark_process_dead(self.process.pid)  # type: ignore[no-untyped-call]

    def tell(self, number: signal.Signals) -> None:
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, number)


class WorkerProcesses:
    """Runs one worker for each of ``shares``."""

    def __init__(
        self, work: Work, listener: socket.socket, shares: Sequence[Settings], announce: Announce
    ) -> None:
        self._work, self._listener, self._shares = work, listener, shares
        self._announce = announce
        self._workers: list[_Worker] = []
        self._signals = 0
        self._announced = False

    def run(self) -> int:
        """Return the exit status: 1 where a worker could not begin."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._count)
        metrics = TemporaryDirectory.claim(_METRICS_PREFIX)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics.path)
        try:
            self._workers = [
                _Worker(self._work, share, self._listener, _cores(worker, len(self._shares)))
                for worker, share in enumerate(self._shares)
            ]
            return self._watch()
        finally:
            self._stop()
            metrics.remove()

    def _count(self, _number: int, _frame: object) -> None:
        self._signals += 1

    def _watch(self) -> int:
        while not self._signals:
            self._wait()
            for worker in self._workers:
                worker.listen()
                if worker.dead and not self._revive(worker):
                    return 1
            if not self._announced and all(worker.ready for worker in self._workers):
                assert self._workers[0].ready is not None
                self._announce(self._workers[0].ready, self._listener)
                self._announced = True
        return 0

    def _wait(self) -> None:
        living = [worker for worker in self._workers if not worker.dead]
        ends = [worker.process.sentinel for worker in living]
        pipes = [worker.pipe for worker in living if worker.ready is None]
        connection.wait([*ends, *pipes], timeout=_POLL_SECONDS)

    def _revive(self, worker: _Worker) -> bool:
        """Start it again, not too soon; False where it never began, and has said why."""
        if worker.ready is None and not self._announced:
            return False
        if time.monotonic() - worker.started >= _RESTART_SECONDS:
            status = worker.process.exitcode
            log.error("worker died", pid=worker.process.pid, status=status, restarted=True)
            worker.bury()
            worker.start()
        else:
            time.sleep(_POLL_SECONDS)
        return True

    def _stop(self) -> None:
        """Drain; at a second signal end at once; kill what does neither."""
        told = self._signals
        for worker in self._workers:
            worker.tell(signal.SIGTERM)
        give_up = time.monotonic() + self._shares[0].drain_seconds + _STOP_SECONDS
        while any(not worker.dead for worker in self._workers):
            if time.monotonic() > give_up:
                for worker in self._workers:
                    worker.tell(signal.SIGKILL)
            elif self._signals > told:
                told = self._signals
                for worker in self._workers:
                    worker.tell(signal.SIGTERM)
            self._wait()
        for worker in self._workers:
            worker.bury()


def _cores(worker: int, workers: int) -> list[int]:
    """A worker's share of the machine's cores, or all where there are not enough."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[worker::workers] or cores


def _main(
    work: Work,
    settings: Settings,
    listener: socket.socket,
    cores: Sequence[int],
    pipe: Connection,
) -> None:
    """A worker's process; its sandboxes keep to its cores."""
    os.sched_setaffinity(0, cores)
    os.setpgid(0, 0)  # a terminal's Ctrl-C is the supervisor's to pass on
    threading.Thread(target=_end_with_supervisor, args=(pipe,), daemon=True).start()
    raise SystemExit(work(settings, listener, pipe.send))


def _end_with_supervisor(pipe: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()  # says nothing; ends with the supervisor
    os.kill(os.getpid(), signal.SIGTERM)
