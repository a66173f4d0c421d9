"""Compressed responses: zstd or gzip, as the caller accepts, as they are sent.

Every part of a streamed response is flushed, so that a line arrives when it is written; Starlette's
own middleware knows no zstd.
"""

import asyncio
import zlib
from typing import Protocol

import zstandard
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SMALL_BYTES = 1024
_LARGE_BYTES = 1 << 18
"""From here on a thread does it: other requests go on."""


class Compressor(Protocol):
    def __call__(self, data: bytes, last: bool, /) -> bytes: ...


class CompressionMiddleware:
    """Compress what is worth it; small whole bodies stay plain."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        encoding = chosen(Headers(scope=scope)["accept-encoding"]) if _asks(scope) else None
        await self.app(scope, receive, _Response(send, encoding) if encoding else send)


def _asks(scope: Scope) -> bool:
    return scope["type"] == "http" and "accept-encoding" in Headers(scope=scope)


def chosen(accepted: str) -> str | None:
    """``zstd`` or ``gzip`` of an ``Accept-Encoding``, zstd where both are as welcome."""
    weights = dict(_weights(accepted))
    offered = {name: weights.get(name, weights.get("*", 0.0)) for name in ("zstd", "gzip")}
    best = max(offered, key=lambda name: offered[name])
    return best if offered[best] > 0 else None


def _weights(accepted: str) -> list[tuple[str, float]]:
    weights = []
    for part in accepted.lower().split(","):
        name, _, parameters = part.partition(";")
        try:
            weight = float(parameters.replace(" ", "").partition("q=")[2] or 1.0)
        except ValueError:
            weight = 0.0
        weights.append((name.strip(), weight))
    return weights


class _Response:
    """A ``send`` that compresses."""

    def __init__(self, send: Send, encoding: str) -> None:
        self._send, self._encoding = send, encoding
        self._compress: Compressor | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin(MutableHeaders(scope=message))
        elif self._compress is not None and message["type"] == "http.response.body":
            body, last = message.get("body", b""), not message.get("more_body", False)
            message = {**message, "body": await self._compressed(body, last)}
        await self._send(message)

    def _begin(self, headers: MutableHeaders) -> None:
        headers.add_vary_header("Accept-Encoding")
        small = int(headers.get("content-length", _SMALL_BYTES)) < _SMALL_BYTES
        if small or "content-encoding" in headers:
            return
        self._compress = _zstd() if self._encoding == "zstd" else _gzip()
        headers["Content-Encoding"] = self._encoding
        del headers["Content-Length"]

    async def _compressed(self, body: bytes, last: bool) -> bytes:
        assert self._compress is not None
        if len(body) < _LARGE_BYTES:
            return self._compress(body, last)
        return await asyncio.to_thread(self._compress, body, last)


def _gzip() -> Compressor:
    stream = zlib.compressobj(level=4, wbits=31)

    def compress(data: bytes, last: bool) -> bytes:
        return stream.compress(data) + stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)

    return compress


def _zstd() -> Compressor:
    stream = zstandard.ZstdCompressor(level=3).compressobj()
    block, finish = zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH

    def compress(data: bytes, last: bool) -> bytes:
        return stream.compress(data) + stream.flush(finish if last else block)

    return compress
