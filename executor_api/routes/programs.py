"""``POST /execute`` and ``POST /trace``."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse

from executor_api.auth import authenticate
from executor_api.body import glimpse, parse
from executor_api.execution import (
    BadRequest,
    Executor,
    Ticket,
    abandon,
    as_completed,
    in_order,
)
from executor_api.scheduler import KeyShareFull, QueueFull
from executor_api.wire import (
    ExecuteRequest,
    ExecuteResponse,
    TraceRequest,
    TraceResponse,
)

router = APIRouter(tags=["programs"])

Key = Annotated[str, Depends(authenticate)]
NDJSON = "application/x-ndjson"
T = TypeVar("T")

_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No valid API key"},
    413: {"description": "The body is too large"},
    422: {"description": "A field cannot be used; `loc` is its path"},
    429: {"description": "This key's share of the queue is full; see Retry-After"},
    503: {"description": "The queue is full; see Retry-After"},
}


def _body_of(name: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post(
    "/execute",
    response_model=ExecuteResponse,
    responses=_ERRORS,
    openapi_extra=_body_of("ExecuteRequest"),
)
async def execute(request: Request, key: Key) -> Response:
    """Run programs on tests and return verdicts, in request order.

    A program that fails is a verdict, never an HTTP error. `sandbox_error` is this service's own
    failure after retries: no verdict, never a wrong answer.

    With `Accept: application/x-ndjson` each result is sent as one line as soon as it is known,
    and a summary as the last line.
    """
    batch = await parse(request, ExecuteRequest)
    executor: Executor = request.app.state.executor
    tickets = await _admit(lambda: executor.execute(key, batch))
    return await _respond(request, tickets, ExecuteResponse, lambda result: result.verdict)


@router.post(
    "/trace",
    response_model=TraceResponse,
    responses=_ERRORS,
    openapi_extra=_body_of("TraceRequest"),
)
async def trace(request: Request, key: Key) -> Response:
    """Run programs on one input each and return the states of their variables.

    `detail: final` gives each variable's value at its last definition; `lines` also every event.
    Never take a verdict from a traced run: the program shares its process with the tracer.
    """
    batch = await parse(request, TraceRequest)
    executor: Executor = request.app.state.executor
    tickets = await _admit(lambda: executor.trace(key, batch))
    return await _respond(request, tickets, TraceResponse, lambda result: result.status)


async def _admit(submit: Callable[[], Awaitable[list[Ticket]]]) -> list[Ticket]:
    try:
        return await submit()
    except BadRequest as error:
        detail = {"type": "value_error", "loc": ("body", *error.loc), "msg": error.message}
        raise RequestValidationError([detail | {"input": glimpse(error.value)}]) from None
    except KeyShareFull:
        raise _busy(429, "this key's share of the queue is full") from None
    except QueueFull:
        raise _busy(503, "the queue is full") from None


def _busy(status: int, message: str) -> HTTPException:
    return HTTPException(status, f"{message}: try again later", headers={"Retry-After": "2"})


async def _respond(
    request: Request,
    tickets: list[Ticket],
    model: type[ExecuteResponse] | type[TraceResponse],
    verdict: Callable[[Any], str],
) -> Response:
    if NDJSON in request.headers.get("accept", ""):
        return StreamingResponse(_stream(tickets, verdict), media_type=NDJSON)
    try:
        results = await _while_connected(request, in_order(tickets))
    finally:
        abandon(tickets)
    if results is None:
        return Response(status_code=499)  # for the log alone: the caller is gone
    return Response(model(results=results).model_dump_json(), media_type="application/json")


async def _while_connected(request: Request, answering: Coroutine[Any, Any, T]) -> T | None:
    """Its result, or None as soon as the caller is gone."""
    answer = asyncio.create_task(answering)
    gone = asyncio.ensure_future(request.receive())  # after the body, only a disconnect can come
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        return await answer if answer.done() else None
    finally:
        answer.cancel()
        gone.cancel()


async def _stream(tickets: list[Ticket], verdict: Callable[[Any], str]) -> AsyncIterator[str]:
    verdicts: Counter[str] = Counter()
    try:
        async for result in as_completed(tickets):
            verdicts[verdict(result)] += 1
            yield result.model_dump_json() + "\n"
    finally:
        abandon(tickets)
    summary = _summary(len(tickets), verdicts)
    yield summary + "\n"


def _summary(programs: int, verdicts: Counter[str]) -> str:
    return json.dumps({"summary": True, "programs": programs, "verdicts": dict(verdicts)})
