"""``coderl serve``: the application under uvicorn, in this process or in several.

The first SIGTERM or Ctrl-C drains: ``/readyz`` and new programs are answered 503, what was admitted
is answered within ``drain_seconds``, the rest refused as retryable. The second ends at once. Either
way every sandbox is gone at the end.
"""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from executor_api.app import create_app, verified_runtime
from executor_api.connections import Connection
from executor_api.execution import Executor
from executor_api.sandbox.runtime import RuntimeUnavailable
from executor_api.settings import Settings
from executor_api.workers import Ready, WorkerProcesses

log = structlog.get_logger()

_READY_SECONDS = 120.0
_WRITE_SECONDS = 10
"""After the drain, for answers under way to slow callers."""


def serve(settings: Settings) -> int:
    """Serve until interrupted; return the exit status.

    Prints one line with the address once ``/readyz`` answers 200.
    """
    _configure_log(settings.log_level)
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as error:
        return _refuse(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
            "stop what uses it, or choose another --port"
        )
    announce = partial(_announce, "https" if settings.tls_cert else "http")
    with listener:
        if settings.workers == 1:
            return _run(settings, listener, lambda ready: announce(ready, listener))
        shares = [settings.share(worker) for worker in range(settings.workers)]
        return WorkerProcesses(_work, listener, shares, announce).run()


def _work(settings: Settings, listener: socket.socket, ready: Callable[[Ready], None]) -> int:
    """One of several workers, in its own process."""
    _configure_log(settings.log_level)
    return _run(settings, listener, ready)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _refuse(message: str) -> int:
    print(f"coderl serve: {message}", file=sys.stderr)
    return 1


def _announce(scheme: str, ready: Ready, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"coderl executor ready at {address} (runtime {ready.runtime})", flush=True)


def _run(settings: Settings, listener: socket.socket, ready: Callable[[Ready], None]) -> int:
    _relax_collector()
    try:
        return asyncio.run(_serve(settings, listener, ready))
    except RuntimeUnavailable as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return 0


def _relax_collector() -> None:
    """Walk all objects rarely. A large batch makes millions that stay and hold no cycles: by
    default they are walked again and again, for seconds in which no request is answered."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _serve(
    settings: Settings, listener: socket.socket, ready: Callable[[Ready], None]
) -> int:
    app = create_app(settings, await verified_runtime(settings))
    server = _Server(app, settings)
    announcement = asyncio.create_task(_say_when_ready(server, ready))
    try:
        await server.serve(sockets=[listener])
    finally:
        announcement.cancel()
    return 1 if server.failed else 0


class _Server(uvicorn.Server):
    """Says when it listens, and drains before it stops listening."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_WRITE_SECONDS,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
        super().__init__(config)
        self.app = app
        self.listening = asyncio.Event()
        self.failed = False
        self._drain_seconds = settings.drain_seconds
        self._draining: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def executor(self) -> Executor:
        executor: Executor = self.app.state.executor
        return executor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by uvicorn on SIGINT and SIGTERM, between two steps of any Python code."""
        self._loop.call_soon_threadsafe(self._stop, signal.Signals(sig).name)

    def _stop(self, why: str) -> None:
        if not self.listening.is_set():
            self.should_exit = True
        elif self._draining is None:
            log.info("draining", why=why, seconds=self._drain_seconds)
            self._draining = asyncio.create_task(self._drain())
        else:
            self._end_at_once()

    def _end_at_once(self) -> None:
        self.config.timeout_graceful_shutdown = 0
        self.should_exit = True
        for caller in tuple(self.server_state.connections):
            if caller.transport is not None:
                caller.transport.abort()
        self.executor.scheduler.give_up()

    async def _drain(self) -> None:
        await self.executor.scheduler.drain(self._drain_seconds)
        self.should_exit = True


async def _say_when_ready(server: _Server, ready: Callable[[Ready], None]) -> None:
    """Call ``ready`` when the first sandbox has answered; stop where none does."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await server.listening.wait()
            await server.executor.scheduler.wait_ready(_READY_SECONDS)
    except TimeoutError:
        _refuse(f"no sandbox answered within {_READY_SECONDS:.0f} s; the log says why")
        server.failed = server.should_exit = True
        return
    ready(Ready(server.executor.runtime))


def _configure_log(level: str) -> None:
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(message)s")
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.root.level))
    logging.getLogger("docker").setLevel(logging.WARNING)
    console = sys.stderr.isatty()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
