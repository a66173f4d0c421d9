"""HTTP answers as results, or as the one exception that fits: classified here and nowhere else."""

import html
import json
import math
import re
import time
from collections.abc import AsyncGenerator, Callable
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar

import httpx
from pydantic import ValidationError

from trainer_client.client.encoding import Batch, field_path, invalid
from trainer_client.client.exceptions import (
    ConnectionFailed,
    ExecutorError,
    FieldProblem,
    Overloaded,
    ProtocolError,
    RequestTooLarge,
    Unauthorized,
)


class Result(Protocol):
    id: str
    index: int


ResultT = TypeVar("ResultT", bound=Result)

NDJSON = "application/x-ndjson"
_MAX_LINE_BYTES = 1 << 28
_READ_CHARS = 10_000
_NO_ANSWER_OF_ITS_OWN = {408, 502, 504, 520, 521, 522, 523, 524}
"""What servers and proxies say where the executor was not reached or was cut off."""


def from_transport(error: httpx.HTTPError, url: str) -> ExecutorError:
    what = str(error) or type(error).__name__
    if isinstance(error, httpx.DecodingError):
        return ProtocolError(f"{url} answered a body that cannot be decoded: {what}")
    return ConnectionFailed(f"{url}: {what}")


async def check_status(response: httpx.Response, batch: Batch = ()) -> None:
    """Return for a 200; raise what any other status means."""
    if response.status_code != 200:
        await response.aread()
        raise _from_status(response, batch)


def _from_status(response: httpx.Response, batch: Batch) -> ExecutorError:
    status = response.status_code
    said = f"{response.url} answered {status}: {_detail(response)}"
    if status in (401, 403):
        return Unauthorized(f"{said} (set api_key to one that the service knows)")
    if status == 413:
        return RequestTooLarge(f"{said} (shorten the program or its tests, or raise the server's)")
    if status == 422:
        return invalid(_field_problems(response, batch))
    if status in (429, 503):
        return Overloaded(said, _retry_after(response))
    if status in _NO_ANSWER_OF_ITS_OWN:
        return ConnectionFailed(said)
    return ProtocolError(f"{said} (is that the address of an executor?)")


async def read_results(
    response: httpx.Response,
    batch: Batch,
    parse: Callable[[bytes], list[ResultT]],
    parse_line: Callable[[bytes], ResultT],
) -> AsyncGenerator[ResultT, None]:
    """The results of a 200, each exactly once, numbered as in the caller's list.

    A streamed answer yields each as it arrives: what came before a cut is kept. ``ProtocolError``
    where the answer as a whole is not one result for each program of ``batch``.
    """
    if response.headers.get("content-type", "").startswith(NDJSON):
        async for result in _read_lines(response, batch, parse_line):
            yield result
        return
    await response.aread()
    for result in parse_results(response, batch, parse):
        yield result


async def _read_lines(
    response: httpx.Response, batch: Batch, parse_line: Callable[[bytes], ResultT]
) -> AsyncGenerator[ResultT, None]:
    missing = set(range(len(batch)))
    async for line in _lines(response):
        if not missing:
            continue  # the summary
        try:
            result = parse_line(line)
        except ValidationError as error:
            raise _lacking(response, missing, line, first_problem(error)) from None
        if result.index not in missing:
            raise ProtocolError(
                f"{response.url} answered program {result.index} of {len(batch)} "
                f"{'twice' if 0 <= result.index < len(batch) else ', which nobody asked'}"
            )
        missing.discard(result.index)
        yield _claimed(response, result, batch)
    if missing:
        raise ConnectionFailed(f"{response.url} ended before {len(missing)} results had come")


def _lacking(
    response: httpx.Response, missing: set[int], line: bytes, why: str
) -> ConnectionFailed | ProtocolError:
    if line.startswith(b'{"summary"'):
        return ProtocolError(f"{response.url} summed up while {len(missing)} results were missing")
    if not line.endswith(b"\n"):
        return ConnectionFailed(f"{response.url} ended within a result")
    return ProtocolError(f"{response.url} answered no valid results: {why}")


async def _lines(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Lines with their ends. By the line feed alone: JSON leaves other line ends in its strings."""
    begun: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            yield b"".join((*begun, line, b"\n"))
            begun, size = [], 0
        begun.append(rest)
        size += len(rest)
        if size > _MAX_LINE_BYTES:
            raise ProtocolError(f"{response.url} answered a line of more than {_MAX_LINE_BYTES} B")
    if size:
        yield b"".join(begun)


def parse_results(
    response: httpx.Response, batch: Batch, parse: Callable[[bytes], list[ResultT]]
) -> list[ResultT]:
    """One result for each program, in the batch's order, numbered as in the caller's list."""
    try:
        results = parse(response.content)
    except ValidationError as error:
        why = first_problem(error)
        raise ProtocolError(f"{response.url} answered no valid results: {why}") from None
    results.sort(key=lambda result: result.index)
    if [result.index for result in results] != list(range(len(batch))):
        raise ProtocolError(
            f"{response.url} answered {len(results)} results to {len(batch)} programs, "
            "or numbered them wrongly"
        )
    return [_claimed(response, result, batch) for result in results]


def _claimed(response: httpx.Response, result: ResultT, batch: Batch) -> ResultT:
    """The result, numbered as its program is in the caller's list."""
    program = batch[result.index]
    if program.id and result.id != program.id:
        raise ProtocolError(f"{response.url} answered {result.id!r} where {program.id!r} was asked")
    result.index = program.index
    return result


def first_problem(error: ValidationError) -> str:
    """One line, for answers whose every item is wrong in the same way."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{field_path(first['loc']).removeprefix('.') or 'body'}: {first['msg']}"


def _detail(response: httpx.Response) -> str:
    body = _json(response)
    detail = body.get("detail") if isinstance(body, dict) else None
    return (detail if isinstance(detail, str) else _readable(response))[:500]


def _readable(response: httpx.Response) -> str:
    """The text; of a proxy's HTML page only the words."""
    text = response.text[:_READ_CHARS]
    if "html" in response.headers.get("content-type", "") or text.lstrip()[:1] == "<":
        text = html.unescape(re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL))
    return " ".join(text.split())


def _field_problems(response: httpx.Response, batch: Batch) -> list[FieldProblem]:
    """The server's ``{loc, msg, input}``, renumbered from the batch to the caller's list."""
    body = _json(response)
    items = body.get("detail") if isinstance(body, dict) else None
    if not isinstance(items, list):
        return [FieldProblem("request", _detail(response))]
    return [_field_problem(item, batch) for item in items if isinstance(item, dict)]


def _field_problem(item: dict[str, Any], batch: Batch) -> FieldProblem:
    location = [part for part in item.get("loc", ()) if part != "body"]
    message, value = str(item.get("msg", "invalid")), item.get("input")
    match location:
        case ["programs", int(position), *rest] if 0 <= position < len(batch):
            program = batch[position]
            path = f"programs[{program.index}]{field_path(rest)}"
            return FieldProblem(path, message, value, program.index, program.id)
    return FieldProblem(field_path(location).removeprefix(".") or "request", message, value)


def _json(response: httpx.Response) -> object:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _retry_after(response: httpx.Response) -> float | None:
    """``Retry-After`` in seconds, given as a number or as a date; None where it makes no sense."""
    header = response.headers.get("Retry-After", "")
    try:
        seconds = float(header)
    except ValueError:
        seconds = _seconds_until(header)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return math.nan
