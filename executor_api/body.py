"""Reading a request's body: bounded, decompressed, validated, with errors that name the field."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol, TypeVar

import zstandard
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)

_CHUNK = 1 << 20
_IDLE_SECONDS = 60.0
_SHOWN_CHARS = 200


async def parse(request: Request, model: type[M]) -> M:
    """Return the body as ``model``; 413, 415 or 422."""
    raw = await _read(request, request.app.state.settings.max_body_bytes)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        errors = [_bounded(item) for item in error.errors(include_url=False)]
        raise RequestValidationError(errors) from None


async def _read(request: Request, limit: int) -> bytes:
    decode = _decoder(request.headers.get("content-encoding", "identity").strip().lower())
    body = bytearray()
    compressed = 0
    chunks = aiter(request.stream())
    while (chunk := await _next(chunks)) is not None:
        compressed += len(chunk)
        if compressed > limit:
            raise _too_large(limit)
        for part in decode(chunk):
            body += part
            if len(body) > limit:
                raise _too_large(limit)
    return bytes(body)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    try:
        async with asyncio.timeout(_IDLE_SECONDS):
            return await anext(chunks, None)
    except TimeoutError:
        raise HTTPException(
            408, f"nothing of the body came for {_IDLE_SECONDS:.0f} s: send it again"
        ) from None


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"the body exceeds {limit} bytes: split the batch")


class _Decode(Protocol):
    def __call__(self, data: bytes, /) -> Iterator[bytes]: ...


def _decoder(encoding: str) -> _Decode:
    """A function from chunks as they travel to decompressed parts of bounded size."""
    if encoding == "identity":
        return lambda data: iter((data,))
    if encoding == "gzip":
        return _gzip()
    if encoding == "zstd":
        return _zstd()
    raise HTTPException(
        415, f"Content-Encoding {encoding[:50]!r} is not supported: use gzip, zstd or identity"
    )


def _gzip() -> _Decode:
    stream = zlib.decompressobj(wbits=31)

    def decode(data: bytes) -> Iterator[bytes]:
        while data:
            try:
                part = stream.decompress(data, _CHUNK)
            except zlib.error as error:
                raise HTTPException(400, f"the body is not valid gzip: {error}") from None
            data = stream.unconsumed_tail
            yield part

    return decode


def _zstd() -> _Decode:
    stream = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    def decode(data: bytes) -> Iterator[bytes]:
        # A frame cannot be asked for a part of its output; small inputs bound each step instead.
        for start in range(0, len(data), 4096):
            try:
                yield stream.decompress(data[start : start + 4096])
            except zstandard.ZstdError as error:
                raise HTTPException(400, f"the body is not valid zstd: {error}") from None

    return decode


def _bounded(item: ErrorDetails) -> dict[str, Any]:
    """An error with at most a glimpse of the offending value."""
    error: dict[str, Any] = dict(item)
    error.pop("ctx", None)
    error["loc"] = ("body", *error["loc"])
    error["input"] = glimpse(error.get("input"))
    return error


def glimpse(value: object) -> str:
    text = repr(value)[: _SHOWN_CHARS + 1]
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
