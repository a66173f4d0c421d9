"""``coderl serve``: the application under uvicorn."""

import asyncio
import logging
import socket
import sys

import structlog
import uvicorn
from fastapi import FastAPI

from executor_api.app import create_app, verified_runtime
from executor_api.execution import Executor
from executor_api.sandbox.runtime import RuntimeUnavailable
from executor_api.settings import Settings

_READY_SECONDS = 120.0
_DRAIN_SECONDS = 30


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
    try:
        return asyncio.run(_serve(settings, listener))
    except RuntimeUnavailable as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return 0
    finally:
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _refuse(message: str) -> int:
    print(f"coderl serve: {message}", file=sys.stderr)
    return 1


async def _serve(settings: Settings, listener: socket.socket) -> int:
    app = create_app(settings, await verified_runtime(settings))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_DRAIN_SECONDS
    )
    server = _Server(config)
    announcement = asyncio.create_task(_announce(app, server, listener))
    try:
        await server.serve(sockets=[listener])
    finally:
        announcement.cancel()
    return 1 if server.failed else 0


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.failed = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


async def _announce(app: FastAPI, server: _Server, listener: socket.socket) -> None:
    """Print the address when the first sandbox has answered; stop where none does."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await server.listening.wait()
            executor: Executor = app.state.executor
            await executor.scheduler.wait_ready(_READY_SECONDS)
    except TimeoutError:
        _refuse(f"no sandbox answered within {_READY_SECONDS:.0f} s; the log says why")
        server.failed = server.should_exit = True
        return
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"coderl executor ready at {address} (runtime {executor.runtime})", flush=True)


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
