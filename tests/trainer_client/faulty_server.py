"""An executor that misbehaves as told, on a real socket: each request takes the next fault."""

import asyncio
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import zstandard

from trainer_client import ExecuteResult

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class FaultyServer:
    """Answers well once ``faults`` is empty; ``always`` is the fault of every request."""

    url: str = ""
    faults: list["Fault"] = field(default_factory=list)
    always: "Fault | None" = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    seconds_per_program: float = 0.0
    """Of a streamed answer, one program after another."""
    room: float = math.inf
    """Programs it takes at one time; more are a 429."""
    refused: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    """When, on the monotonic clock."""
    programs_under_way: int = 0
    abandoned: int = 0
    """Requests whose client went away before the answer."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        content = await _read(receive)
        if headers.get("content-encoding") == "zstd":
            content = zstandard.decompress(content)
        body = json.loads(content or b"{}")
        self.bodies.append(body)
        self.headers.append(headers)
        self.arrived.append(time.monotonic())
        count = len(body.get("programs", ()))
        if self.programs_under_way + count > self.room:
            self.refused.append(time.monotonic())
            await self._answer(status(429, retry_after="0.3"), "", body, receive, send)
            return
        self.under_way += 1
        self.programs_under_way += count
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            await asyncio.sleep(0.01)  # long enough for requests to overlap
            fault = self.always or (self.faults.pop(0) if self.faults else None)
            if fault is None and "application/x-ndjson" in headers.get("accept", ""):
                await self._stream(scope["path"], body, send)
                return
            await self._answer(fault, scope["path"], body, receive, send)
        finally:
            self.under_way -= 1
            self.programs_under_way -= count

    async def _stream(self, path: str, body: dict[str, Any], send: Any) -> None:
        """Answer well, the last program first, a line at a time."""
        await _start(send, 200, {"content-type": "application/x-ndjson"})
        for index, program in reversed([*enumerate(body["programs"])]):
            await asyncio.sleep(self.seconds_per_program)
            line = json.dumps(_result(path)(index, program), ensure_ascii=False).encode() + b"\n"
            await send({"type": "http.response.body", "body": line, "more_body": True})
        summary = {"summary": True, "programs": len(body["programs"]), "verdicts": {}}
        await send({"type": "http.response.body", "body": json.dumps(summary).encode() + b"\n"})

    async def _answer(
        self, fault: "Fault | None", path: str, body: dict[str, Any], receive: Any, send: Any
    ) -> None:
        if fault is hang:
            assert (await receive())["type"] == "http.disconnect"
            self.abandoned += 1
            return
        if fault is cut_connection:
            await _start(send, 200, {"content-length": "1000"})
            await send({"type": "http.response.body", "body": b'{"results": [', "more_body": True})
            raise ConnectionResetError("cut on purpose")
        status, headers, content = (fault or well)(path, body)
        await _start(send, status, headers)
        await send({"type": "http.response.body", "body": content})


Fault = Callable[[str, dict[str, Any]], Answer]


def well(path: str, body: dict[str, Any]) -> Answer:
    """One accepted result for each program; its code comes back as the test's output."""
    if path == "/version":
        return _json(200, VERSION)
    if path == "/readyz":
        return 200, {}, b""
    return _json(200, {"results": [_result(path)(*item) for item in enumerate(body["programs"])]})


def _result(path: str) -> Callable[[int, dict[str, Any]], dict[str, Any]]:
    return trace_result if path == "/trace" else execute_result


VERSION = {
    "service": "0.1.0",
    "contract": "1.0",
    "runtime": "runsc",
    "runtime_version": "x",
    "guest_python": "3.11",
}


def execute_result(index: int, program: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": program.get("id", ""),
        "index": index,
        "verdict": "accepted",
        "passed": 1,
        "total": 1,
        "tests": [{"verdict": "accepted", "stdout": program["code"]}],
        "runtime": "runsc",
    }


def trace_result(index: int, program: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": program.get("id", ""),
        "index": index,
        "status": "completed",
        "stdout": program["code"],
        "python": "3.11",
        "runtime": "runsc",
    }


def hang(path: str, body: dict[str, Any]) -> Answer:
    """Take the request and never answer."""
    raise NotImplementedError


def cut_connection(path: str, body: dict[str, Any]) -> Answer:
    """Break the connection in the middle of the answer's body."""
    raise NotImplementedError


def status(code: int, detail: Any = "no", **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda path, body: _json(code, {"detail": detail}, named)


def raw(content: bytes) -> Fault:
    return lambda path, body: (200, {}, content)


def results(change: Callable[[list[dict[str, Any]]], Any]) -> Fault:
    """Answer well, but for what ``change`` does to the list of results."""

    def fault(path: str, body: dict[str, Any]) -> Answer:
        made = [execute_result(*item) for item in enumerate(body["programs"])]
        change(made)
        return _json(200, {"results": made})

    return fault


def too_large_above(programs: int) -> Fault:
    def fault(path: str, body: dict[str, Any]) -> Answer:
        too_large = len(body["programs"]) > programs
        return status(413)(path, body) if too_large else well(path, body)

    return fault


def programs(count: int) -> list[dict[str, Any]]:
    tests = [{"kind": "stdio", "stdout": ""}]
    return [{"id": f"p{n}", "code": f"print({n})", "tests": tests} for n in range(count)]


def codes(answers: list[ExecuteResult]) -> list[str]:
    """The code that the server saw behind each answer."""
    return [answer.tests[0].stdout for answer in answers]


@dataclass
class Switch:
    """One address for many tests: hands each request to the server of the test that runs."""

    server: FaultyServer = field(default_factory=FaultyServer)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.server(scope, receive, send)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of ``app`` on a free port, served by uvicorn in a thread."""
    config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    sockets = [config.bind_socket()]
    port = sockets[0].getsockname()[1]
    loop = asyncio.new_event_loop()
    serve = server.serve(sockets=sockets)
    thread = threading.Thread(target=loop.run_until_complete, args=(serve,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=30)
        loop.run_until_complete(_cancel_all(asyncio.all_tasks(loop)))
        loop.close()
        sockets[0].close()


async def _cancel_all(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _json(code: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    return code, {"content-type": "application/json"} | (headers or {}), json.dumps(body).encode()


async def _read(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _start(send: Any, code: int, headers: dict[str, str]) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": code, "headers": encoded})
