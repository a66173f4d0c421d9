"""``POST /execute`` and ``POST /trace``."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from executor_api.body import parse
from executor_api.execution import Executor, Ticket, abandon, as_completed
from executor_api.request_log import CutShort
from executor_api.routes.common import ERRORS, Key, refusals, while_connected
from executor_api.scheduler import Scheduler, Stopping
from executor_api.wire import (
    ExecuteRequest,
    ExecuteResponse,
    TraceRequest,
    TraceResponse,
)

router = APIRouter(tags=["programs"])

NDJSON = "application/x-ndjson"
M = TypeVar("M", bound=ExecuteRequest | TraceRequest)

_PIECE_BYTES = 1 << 16


def _body_of(name: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post(
    "/execute",
    response_model=ExecuteResponse,
    responses=ERRORS,
    openapi_extra=_body_of("ExecuteRequest"),
)
async def execute(request: Request, key: Key) -> Response:
    """Run programs on tests and return verdicts, in request order.

    A program that fails is a verdict, never an HTTP error. `sandbox_error` is this service's own
    failure after retries: no verdict, never a wrong answer.

    With `Accept: application/x-ndjson` each result is sent as one line as soon as it is known,
    and a summary as the last line.
    """
    executor: Executor = request.app.state.executor
    tickets = await _admit(request, key, ExecuteRequest, executor.execute)
    return await _respond(request, tickets, lambda result: result.verdict)


@router.post(
    "/trace",
    response_model=TraceResponse,
    responses=ERRORS,
    openapi_extra=_body_of("TraceRequest"),
)
async def trace(request: Request, key: Key) -> Response:
    """Run programs on one input each and return the states of their variables.

    `detail: final` gives each variable's value at its last definition; `lines` also every event.
    Never take a verdict from a traced run: the program shares its process with the tracer.
    """
    executor: Executor = request.app.state.executor
    tickets = await _admit(request, key, TraceRequest, executor.trace)
    return await _respond(request, tickets, lambda result: result.status)


async def _admit(
    request: Request,
    key: str,
    model: type[M],
    submit: Callable[[str, M], Awaitable[list[Ticket]]],
) -> list[Ticket]:
    """Read, check and submit; what is refused is refused as early as can be known."""
    scheduler: Scheduler = request.app.state.executor.scheduler
    with refusals(request):
        scheduler.check(key)
        batch = await parse(request, key, model)
        request.state.programs = len(batch.programs)
        scheduler.check(key, _at_least(batch))
        return await submit(key, batch)


def _at_least(batch: ExecuteRequest | TraceRequest) -> int:
    """Programs of the batch that will wait: copies of another wait with it."""
    if batch.deduplicate:
        return len({program.code for program in batch.programs})
    return len(batch.programs)


async def _respond(
    request: Request,
    tickets: list[Ticket],
    verdict: Callable[[Any], str],
) -> Response:
    if NDJSON in request.headers.get("accept", ""):
        return StreamingResponse(_stream(tickets, verdict), media_type=NDJSON)
    try:
        with refusals(request):
            parts = await while_connected(request, _json(tickets))
    finally:
        abandon(tickets)
    if parts is None:
        return Response(status_code=499)  # for the log alone: the caller is gone
    length = sum(map(len, parts))
    if length <= _PIECE_BYTES:
        return Response(b"".join(parts), media_type="application/json")
    headers = {"Content-Length": str(length)}
    return StreamingResponse(_pieces(parts), media_type="application/json", headers=headers)


async def _json(tickets: list[Ticket]) -> list[bytes]:
    """The body in parts, each made as its result is known: the whole is never held twice, and the
    status is still open."""
    parts = [b'{"results":[']
    for ticket in tickets:
        result = await ticket.finish(ticket.job)
        parts.append((b"," if len(parts) > 1 else b"") + result.model_dump_json().encode())
    parts.append(b"]}")
    return parts


async def _pieces(parts: list[bytes]) -> AsyncIterator[bytes]:
    """In pieces of a size that is worth sending."""
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


async def _stream(tickets: list[Ticket], verdict: Callable[[Any], str]) -> AsyncIterator[str]:
    verdicts: Counter[str] = Counter()
    try:
        async for result in as_completed(tickets):
            verdicts[verdict(result)] += 1
            yield result.model_dump_json() + "\n"
    except Stopping:
        raise CutShort(
            "the service is stopping; the caller has no summary and asks again"
        ) from None
    finally:
        abandon(tickets)
    summary = _summary(len(tickets), verdicts)
    yield summary + "\n"


def _summary(programs: int, verdicts: Counter[str]) -> str:
    return json.dumps({"summary": True, "programs": programs, "verdicts": dict(verdicts)})
