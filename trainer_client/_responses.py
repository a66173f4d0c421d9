"""HTTP answers as results, or as the one exception that fits: classified here and nowhere else."""

import json
import math
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar

import httpx
from pydantic import ValidationError

from trainer_client._encoding import Batch, field_path, invalid
from trainer_client._exceptions import (
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


def from_transport(error: httpx.HTTPError, url: str) -> ExecutorError:
    what = str(error) or type(error).__name__
    if isinstance(error, httpx.DecodingError):
        return ProtocolError(f"{url} answered a body that cannot be decoded: {what}")
    return ConnectionFailed(f"{url}: {what}")


def check_status(response: httpx.Response, batch: Batch = ()) -> None:
    """Return for a 200; raise what any other status means."""
    if response.status_code != 200:
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
    if status in (502, 504):
        return ConnectionFailed(said)
    return ProtocolError(f"{said} (is that the address of an executor?)")


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
    for result, program in zip(results, batch, strict=True):
        if program.id and result.id != program.id:
            raise ProtocolError(
                f"{response.url} answered {result.id!r} where {program.id!r} was asked"
            )
        result.index = program.index
    return results


def first_problem(error: ValidationError) -> str:
    """One line, for answers whose every item is wrong in the same way."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{field_path(first['loc']).removeprefix('.') or 'body'}: {first['msg']}"


def _detail(response: httpx.Response) -> str:
    body = _json(response)
    detail = body.get("detail") if isinstance(body, dict) else None
    return (detail if isinstance(detail, str) else response.text)[:500]


def _field_problems(response: httpx.Response, batch: Batch) -> list[FieldProblem]:
    """The server's ``{loc, msg, input}``, renumbered from the batch to the caller's list."""
    body = _json(response)
    items = body.get("detail") if isinstance(body, dict) else None
    if not isinstance(items, list):
        return [FieldProblem("request", _detail(response))]
    return [_field_problem(item, batch) for item in items if isinstance(item, dict)]


def _field_problem(item: dict[str, Any], batch: Batch) -> FieldProblem:
    location = [part for part in item.get("loc", ()) if part != "body"]
    match location:
        case ["programs", int(position), *rest] if 0 <= position < len(batch):
            location = ["programs", batch[position].index, *rest]
    path = field_path(location).removeprefix(".") or "request"
    return FieldProblem(path, str(item.get("msg", "invalid")), item.get("input"))


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
