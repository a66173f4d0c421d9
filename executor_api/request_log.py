"""One log line and one count for each request, and an identifier that ties its lines together."""

import time
import uuid
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from executor_api import metrics

log = structlog.get_logger()

REQUEST_ID = "X-Request-ID"
_LONGEST_ID = 128
_PROBES = ("/healthz", "/readyz", "/metrics")
"""Asked every few seconds: shown at the level ``debug`` alone."""


class CutShort(Exception):
    """A response that has begun cannot be completed: its connection is closed instead, which no
    client takes for the end of an answer."""


@dataclass(slots=True)
class _Exchange:
    """What passed between the caller and us."""

    status: int = 0
    received: int = 0
    sent: int = 0
    complete: bool = False


class RequestLogMiddleware:
    """Bind ``request_id`` for every line logged within; answer it in ``X-Request-ID``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        identifier = request_id(Headers(scope=scope).get(REQUEST_ID))
        exchange = _Exchange()
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=identifier):
            try:
                await self.app(
                    scope, _counting(receive, exchange), _stamping(send, exchange, identifier)
                )
            except CutShort as error:
                log.warning("response cut short", why=str(error))
            finally:
                _note(scope, exchange, time.monotonic() - began)
        return None


def request_id(given: str | None) -> str:
    """The caller's own, where it is short and printable, else a new one."""
    if given and len(given) <= _LONGEST_ID and given.isascii() and given.isprintable():
        return given
    return uuid.uuid4().hex


def _counting(receive: Receive, exchange: _Exchange) -> Receive:
    async def counted() -> Message:
        message = await receive()
        exchange.received += len(message.get("body", b""))
        return message

    return counted


def _stamping(send: Send, exchange: _Exchange, identifier: str) -> Send:
    async def stamped(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = identifier
        await send(message)
        exchange.sent += len(message.get("body", b""))
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        exchange.complete = exchange.complete or last

    return stamped


def _note(scope: Scope, exchange: _Exchange, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "none")
    status = exchange.status or 500
    metrics.REQUESTS.labels(route, status).inc()
    metrics.RECEIVED_BYTES.inc(exchange.received)
    metrics.SENT_BYTES.inc(exchange.sent)
    quiet = route in _PROBES and status < 400
    state = scope.get("state", {})
    if "key" in state:
        metrics.KEY_REQUESTS.labels(metrics.key_label(state["key"]), status).inc()
    (log.debug if quiet else log.info)(
        "request",
        method=scope["method"],
        route=route,
        status=status,
        key=state.get("key"),
        programs=state.get("programs"),
        bytes_in=exchange.received,
        bytes_out=exchange.sent,
        seconds=round(seconds, 4),
        complete=exchange.complete,
    )
