"""Reading a request's body: bounded, decompressed, validated, with errors that name the field."""

import asyncio
import contextlib
import gzip
import io
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, BinaryIO, TypeVar

import zstandard
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from executor_api.judge.literals import literal
from executor_api.turns import Turns

M = TypeVar("M", bound=BaseModel)

_CHUNK = 1 << 20
_LARGE_BYTES = 1 << 16
"""From here on a thread reads it: other requests go on."""
_IDLE_SECONDS = 60.0
_WHOLE_SECONDS = 900.0
_TURN_SECONDS = 60.0
_SHOWN_CHARS = 200
_MOST_ERRORS = 1000
_VALUE_BYTES = 16
"""Counted for each comma: small values take 40 times their text once they are parsed."""
_ENCODINGS = ("identity", "gzip", "zstd")


class Bodies:
    """The bodies being read at this moment, all requests together at most ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def body(self, limit: int) -> Iterator["Body"]:
        """One body of at most ``limit`` bytes; its bytes count until the end of the context."""
        body = Body(self, min(limit, self.limit))
        try:
            yield body
        finally:
            self.hold(-body.held)

    def hold(self, count: int) -> None:
        """Count so many more; 503 where that is too much."""
        with self._lock:
            if count > 0 and self._held + count > self.limit:
                raise HTTPException(
                    503,
                    f"requests of {self.limit} bytes are being read: try again later",
                    headers={"Retry-After": "1"},
                )
            self._held += count


class Body:
    """Bytes held for one request, compressed and not; ``limit`` holds for each."""

    def __init__(self, bodies: Bodies, limit: int) -> None:
        self._bodies, self.limit = bodies, limit
        self.held = 0

    def extend(self, data: bytearray, part: bytes) -> None:
        """Append; 413 beyond the limit."""
        if len(data) + len(part) > self.limit:
            raise HTTPException(413, f"the body exceeds {self.limit} bytes: split the batch")
        self._hold(len(part))
        data += part

    def count_values(self, data: bytearray) -> None:
        """Hold for what parsing makes of ``data``; 413 where no body may hold so much."""
        commas = data.count(b",")
        if len(data) + commas * _VALUE_BYTES > self._bodies.limit:
            raise HTTPException(413, f"the body holds about {commas} values: split the batch")
        self._hold(commas * _VALUE_BYTES)

    def _hold(self, count: int) -> None:
        self._bodies.hold(count)
        self.held += count


async def parse(request: Request, key: str, model: type[M]) -> M:
    """Return the body as ``model``; 400, 413, 415, 422, or 503 where too many are being read.
    ``NoTurn`` where too many of the key's are.

    Parsing lets other threads run between the programs, so a thread keeps the service answering.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _ENCODINGS:
        raise HTTPException(
            415, f"Content-Encoding {encoding[:50]!r} is not supported: use gzip, zstd or identity"
        )
    state = request.app.state
    with state.bodies.body(state.settings.max_body_bytes) as body:
        raw = await _read(request, body)
        if encoding == "identity" and len(raw) < _LARGE_BYTES:
            return validated(raw, model)
        read = partial(_decoded, raw, encoding, body, model)
        turns: Turns = state.executor.turns
        return await turns.run(key, _TURN_SECONDS, read)


async def _read(request: Request, body: Body) -> bytearray:
    """The body as it travels."""
    raw = bytearray()
    chunks = aiter(request.stream())
    try:
        async with asyncio.timeout(_WHOLE_SECONDS):
            while (chunk := await _next(chunks)) is not None:
                body.extend(raw, chunk)
    except TimeoutError:
        raise HTTPException(
            408, f"the body did not come whole within {_WHOLE_SECONDS:.0f} s: split the batch"
        ) from None
    return raw


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    try:
        async with asyncio.timeout(_IDLE_SECONDS):
            return await anext(chunks, None)
    except TimeoutError:
        raise HTTPException(
            408, f"nothing of the body came for {_IDLE_SECONDS:.0f} s: send it again"
        ) from None


def _decoded(raw: bytearray, encoding: str, body: Body, model: type[M]) -> M:
    data = raw if encoding == "identity" else _expand(raw, encoding, body)
    body.count_values(data)
    return validated(data, model)


def _expand(raw: bytearray, encoding: str, body: Body) -> bytearray:
    """Decompress in steps of bounded size: a small body may hold a very large one."""
    data = bytearray()
    try:
        with _reader(raw, encoding) as reader:
            while part := reader.read(_CHUNK):
                body.extend(data, part)
    except (zlib.error, zstandard.ZstdError, OSError, EOFError) as error:
        raise HTTPException(400, f"the body is not valid {encoding}: {error}") from None
    return data


def _reader(raw: bytearray, encoding: str) -> BinaryIO:
    if encoding == "gzip":
        return gzip.GzipFile(fileobj=io.BytesIO(raw))  # type: ignore[return-value]
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    return decompressor.stream_reader(raw, read_across_frames=True)


def validated(raw: bytearray, model: type[M]) -> M:
    """Return ``raw``, JSON, as ``model``; ``RequestValidationError`` names each bad field."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise RequestValidationError(_listed(error, raw)) from None


def _listed(error: ValidationError, raw: bytearray) -> list[dict[str, Any]]:
    """The errors, unless there are so many that listing them takes long."""
    count = error.error_count()
    if count <= _MOST_ERRORS:
        return [_bounded(item) for item in error.errors(include_url=False)]
    message = f"{count} fields are bad or unknown: send those of GET /openapi.json"
    return [{"type": "too_many_errors", "loc": ("body",), "msg": message, "input": glimpse(raw)}]


def _bounded(item: ErrorDetails) -> dict[str, Any]:
    """An error with at most a glimpse of the offending value."""
    error: dict[str, Any] = dict(item)
    error.pop("ctx", None)
    error["loc"] = ("body", *(_cut(x) if isinstance(x, str) else x for x in error["loc"]))
    error["msg"] = _cut(error["msg"])
    error["input"] = glimpse(error.get("input"))
    return error


def glimpse(value: object) -> str:
    """The beginning of a plain value; only so much of it is read."""
    if isinstance(value, bytes | bytearray):
        return _cut(value[: 4 * _SHOWN_CHARS].decode(errors="replace"))
    return literal(value, _SHOWN_CHARS)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
