"""The asynchronous client of the executor: many programs in, as many results out, in order."""

import asyncio
import math
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self, overload

import httpx
from pydantic import BaseModel, ValidationError

from executor_api.wire import (
    CONTRACT_VERSION,
    ExecuteProgram,
    ExecuteResponse,
    ExecuteResult,
    TraceProgram,
    TraceResponse,
    TraceResult,
    Verdict,
    VersionInfo,
)
from trainer_client.client import encoding, responses
from trainer_client.client.delivery import Call, Courier, Delivery, Patience, together
from trainer_client.client.endpoints import Endpoint, EndpointPool, is_api_key
from trainer_client.client.exceptions import ExecutorError, ProtocolError
from trainer_client.client.responses import ResultT
from trainer_client.client.stats import ClientStats, Recorder

CONNECT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.25
CLOSE_SECONDS: Final = 5.0

ExecuteProgramLike = ExecuteProgram | Mapping[str, Any]
TraceProgramLike = TraceProgram | Mapping[str, Any]

_EXECUTE: Final = Call(
    "/execute",
    ExecuteProgram,
    parse=lambda body: ExecuteResponse.model_validate_json(body).results,
    parse_line=ExecuteResult.model_validate_json,
    lost=lambda result: result.verdict is Verdict.SANDBOX_ERROR,
)
_TRACE: Final = Call(
    "/trace",
    TraceProgram,
    parse=lambda body: TraceResponse.model_validate_json(body).results,
    parse_line=TraceResult.model_validate_json,
    lost=lambda result: result.status == Verdict.SANDBOX_ERROR,
)


class ExecutorClient:
    """Runs programs on one executor or several.

    Requests are cut into batches, at most ``max_in_flight`` of them under way at one time, each
    sent to the endpoint that is expected to be done with it first, by the pace at which it has
    answered and what it is still working on. Results are streamed. Programs are pure, so what a
    broken connection has left unanswered is sent again, elsewhere if there is an elsewhere; an
    endpoint that fails rests for a while, and one that drags on is overtaken. A full queue (429,
    503) is waited out until the deadline, a broken connection retried ``connection_attempts``
    times in a row, an answer that makes no sense once, and a ``sandbox_error`` once on another
    endpoint.

    A client belongs to the event loop that first uses it, in whatever thread that runs; another
    loop gets a ``RuntimeError``. ``SyncExecutorClient`` can be called from any thread.

    Args:
        endpoints: ``http://HOST:PORT`` of each executor.
        api_key: sent as ``Authorization: Bearer``.
        deadline_seconds: for a whole call, waiting and retries included, where the call gives none.
        max_in_flight: batches under way at one time, over all endpoints.
        max_batch_programs: programs in one request.
        max_batch_bytes: bytes of one request; a single larger program still goes, alone.
        connection_attempts: how often in a row a batch may meet a broken connection.
        deduplicate: programs of one request that differ in nothing but ``id`` are run once. False
            where an answer depends on chance or time.
        ssl_context: for https endpoints with a certificate of your own.

    Raises:
        ValueError: an argument makes no sense; the message names it.
    """

    def __init__(
        self,
        endpoints: str | Sequence[str],
        api_key: str | None = None,
        *,
        deadline_seconds: float = 300.0,
        max_in_flight: int = 8,
        max_batch_programs: int = 32,
        max_batch_bytes: int = 4_000_000,
        connection_attempts: int = 6,
        deduplicate: bool = True,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._endpoints = EndpointPool(endpoints)
        self._headers = _auth_headers(api_key)
        self._deadline_seconds = _positive("deadline_seconds", deadline_seconds)
        self._max_in_flight = _at_least_one("max_in_flight", max_in_flight)
        self._max_batch_programs = _at_least_one("max_batch_programs", max_batch_programs)
        self._max_batch_bytes = _at_least_one("max_batch_bytes", max_batch_bytes)
        self._ssl_context = ssl_context
        self._recorder = Recorder()
        self._courier = Courier(
            self._endpoints,
            self._recorder,
            asyncio.Semaphore(self._max_in_flight),
            _at_least_one("connection_attempts", connection_attempts),
            deduplicate,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http: httpx.AsyncClient | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"ExecutorClient({', '.join(self._endpoints.urls)})"

    async def __aenter__(self) -> Self:
        self._connections()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. Idempotent; afterwards every call raises ``RuntimeError``."""
        self._closed = True
        http, self._http = self._http, None
        if http is None:
            return
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(f"close {self!r} in the event loop that used it")
        async with asyncio.timeout(CLOSE_SECONDS):
            await http.aclose()

    @overload
    async def execute(
        self,
        programs: Sequence[ExecuteProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: Literal[False] = False,
    ) -> list[ExecuteResult]: ...

    @overload
    async def execute(
        self,
        programs: Sequence[ExecuteProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool,
    ) -> list[ExecuteResult | ExecutorError]: ...

    async def execute(
        self,
        programs: Sequence[ExecuteProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool = False,
    ) -> list[ExecuteResult] | list[ExecuteResult | ExecutorError]:
        """Run each program on its tests.

        Returns one result for each program, in order; ``index`` is the position in ``programs``.
        With ``return_exceptions``, as in ``asyncio.gather``, a program that could not be answered
        has the ``ExecutorError`` in its place and the others keep their results; without, the
        first failure is raised. Programs that break the contract always raise ``InvalidRequest``
        before anything is sent.
        """
        return await self._run(_EXECUTE, programs, deadline_seconds, return_exceptions)

    @overload
    async def trace(
        self,
        programs: Sequence[TraceProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: Literal[False] = False,
    ) -> list[TraceResult]: ...

    @overload
    async def trace(
        self,
        programs: Sequence[TraceProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool,
    ) -> list[TraceResult | ExecutorError]: ...

    async def trace(
        self,
        programs: Sequence[TraceProgramLike],
        *,
        deadline_seconds: float | None = None,
        return_exceptions: bool = False,
    ) -> list[TraceResult] | list[TraceResult | ExecutorError]:
        """Run each program on its one input and return its variables' states, as ``execute``."""
        return await self._run(_TRACE, programs, deadline_seconds, return_exceptions)

    async def version(self, *, deadline_seconds: float = 30.0) -> VersionInfo:
        """What one of the endpoints runs; ``ProtocolError`` where its contract is not ours."""
        deadline = self._deadline(deadline_seconds)
        patience = Patience(self._courier.connection_attempts, deadline)
        return await self._courier.retrying(patience)(self._version, deadline, set())

    async def ready(self, *, wait_seconds: float = 0.0) -> bool:
        """Whether an endpoint answers ``/readyz`` with 200, now or within ``wait_seconds``."""
        give_up = time.monotonic() + wait_seconds
        while not any(await asyncio.gather(*map(self._is_ready, self._endpoints.urls))):
            if time.monotonic() >= give_up:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    def stats(self) -> ClientStats:
        """Counts and latencies so far. From any thread."""
        return self._recorder.snapshot()

    async def _run(
        self,
        call: Call[ResultT],
        programs: Sequence[BaseModel | Mapping[str, Any]],
        deadline_seconds: float | None,
        return_exceptions: bool,
    ) -> list[ResultT | ExecutorError]:
        deadline = self._deadline(deadline_seconds)
        encoded = encoding.encode(programs, call.program)
        batches = encoding.into_batches(encoded, self._max_batch_programs, self._max_batch_bytes)
        outcomes = await together(
            Delivery(self._courier, self._connections(), call, batch, deadline).outcome(
                keep_going=return_exceptions
            )
            for batch in batches
        )
        return [answer for outcome in outcomes for answer in outcome]

    async def _version(self, deadline: float, tried: set[Endpoint]) -> VersionInfo:
        endpoint = await self._endpoints.choose(0, tried, deadline)
        lease = self._endpoints.lease(endpoint, 0)
        async with self._courier.sending(lease, tried, deadline) as url:
            response = await self._connections().get(f"{url}/version")
            await responses.check_status(response)
            return _same_contract(response)

    async def _is_ready(self, url: str) -> bool:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                response = await self._connections().get(f"{url}/readyz")
        except (httpx.HTTPError, TimeoutError):
            return False
        return response.status_code == 200

    def _deadline(self, seconds: float | None) -> float:
        """As a time of the running loop."""
        self._connections()
        allowed = self._deadline_seconds if seconds is None else seconds
        return asyncio.get_running_loop().time() + _positive("deadline_seconds", allowed)

    def _connections(self) -> httpx.AsyncClient:
        """The HTTP client, made inside the loop that first needs it and never used in another."""
        loop = asyncio.get_running_loop()
        if self._closed:
            raise RuntimeError(f"{self!r} is closed: make a new one")
        if self._http is None:
            self._http, self._loop = self._new_http(), loop
        if self._loop is not loop:
            raise RuntimeError(
                f"{self!r} belongs to another event loop: make one client for each loop, or use "
                "SyncExecutorClient, which can be called from any thread"
            )
        return self._http

    def _new_http(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(
            verify=self._ssl_context or self._default_ssl(),
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=self._max_in_flight
            ),
            socket_options=_keepalive_options(),
        )
        return httpx.AsyncClient(
            transport=transport,
            headers=self._headers,
            # Only connecting has a limit of its own; `_sending` bounds the whole.
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        )

    def _default_ssl(self) -> ssl.SSLContext | Literal[True]:
        """The usual certificates; loading them takes a while, so none where nothing needs them."""
        if any(url.startswith("https:") for url in self._endpoints.urls):
            return True
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _same_contract(response: httpx.Response) -> VersionInfo:
    try:
        info = VersionInfo.model_validate_json(response.content)
    except ValidationError as error:
        why = responses.first_problem(error)
        raise ProtocolError(f"{response.url} answered no version: {why}") from None
    if info.contract.split(".")[0] != CONTRACT_VERSION.split(".")[0]:
        raise ProtocolError(
            f"{response.url} speaks contract {info.contract}, this client {CONTRACT_VERSION}: "
            "bring both to the same major version"
        )
    return info


def _auth_headers(api_key: str | None) -> dict[str, str]:
    if api_key is None:
        return {}
    if not api_key or not is_api_key(api_key):
        raise ValueError("api_key must be printable ASCII without spaces; strip its line end?")
    return {"Authorization": f"Bearer {api_key}"}


def _keepalive_options() -> list[tuple[int, int, int]]:
    """Notice within half a minute that the other machine has gone, while it owes us an answer."""
    wanted = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in wanted.items()
        if hasattr(socket, name)
    ]


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value!r}: give a positive number of seconds")
    return value


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} is {value!r}: give a whole number of at least 1")
    return value
