"""What the routes that run programs share: whose key a request has, how they refuse, and how they
notice a caller leave."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from executor_api.auth import authenticate
from executor_api.body import glimpse
from executor_api.checks import BadRequest, TooMuchWork
from executor_api.execution import Executor
from executor_api.scheduler import (
    KeyShareFull,
    NeverFits,
    NotReady,
    QueueFull,
    Refused,
    Stopping,
)
from executor_api.turns import NoTurn

Key = Annotated[str, Depends(authenticate)]
"""The name of the key that came with a request."""

T = TypeVar("T")


class BadField(BaseModel):
    """One field of the request that cannot be used."""

    type: str
    loc: list[str | int]
    """Its path."""
    msg: str
    """What is wrong, and what would be right."""
    input: Any
    """The beginning of what stood there."""


class Problem(BaseModel):
    """Why a request was not served."""

    detail: str | list[BadField]


def _answers(descriptions: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": Problem, "description": description}
        for status, description in descriptions.items()
    }


UNAUTHENTICATED = _answers(
    {
        401: "No valid API key",
        429: "No valid API key, and many such requests from this address; see Retry-After",
    }
)
ERRORS = UNAUTHENTICATED | _answers(
    {
        400: "The body is not what Content-Encoding says",
        408: "The body stopped coming",
        413: "The body is too large, or more than the queue ever holds: split it",
        415: "Content-Encoding is none that is known here",
        422: "A field cannot be used; `loc` is its path",
        429: "This key's share of the queue is full, or as for 401; see Retry-After",
        503: "The queue is full, or the service is stopping; see Retry-After",
    }
)


@contextlib.contextmanager
def refusals(request: Request) -> Iterator[None]:
    """Answer 413, 422, 429 or 503 to what the executor refuses."""
    try:
        yield
    except BadRequest as bad:
        detail = {"type": "value_error", "loc": ("body", *bad.loc), "msg": bad.message}
        raise RequestValidationError([detail | {"input": glimpse(bad.value)}]) from None
    except NeverFits as never:
        raise HTTPException(413, f"{never} may wait here for one key: split the batch") from None
    except TooMuchWork as long:
        raise HTTPException(413, f"{long}: split the batch") from None
    except (Refused, Stopping) as refusal:
        raise _busy(request, refusal) from None


def _busy(request: Request, refusal: Refused | Stopping) -> HTTPException:
    """429 or 503 with an estimate of when to come again."""
    executor: Executor = request.app.state.executor
    status, message = next(answer for kind, answer in _BUSY.items() if isinstance(refusal, kind))
    seconds = executor.scheduler.retry_after(refusal)
    return HTTPException(
        status, f"{message}: try again in {seconds} s", headers={"Retry-After": str(seconds)}
    )


_BUSY: dict[type[Exception], tuple[int, str]] = {
    NoTurn: (429, "this key's requests before this one are still being read"),
    KeyShareFull: (429, "this key's share of the queue is full"),
    QueueFull: (503, "the queue is full"),
    NotReady: (503, "no sandbox has answered yet"),
    Stopping: (503, "the service is stopping"),
}


async def while_connected(request: Request, answering: Coroutine[Any, Any, T]) -> T | None:
    """Its result, or None as soon as the caller is gone."""
    answer = asyncio.create_task(answering)
    gone = asyncio.ensure_future(request.receive())  # after the body, only a disconnect can come
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        return await answer if answer.done() else None
    finally:
        answer.cancel()
        gone.cancel()
