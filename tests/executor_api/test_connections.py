"""Requests that never become whole end, and cost others nothing."""

import asyncio
import json
import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException, Request

from executor_api import body
from executor_api.connections import HEAD_SECONDS
from tests.service import Service, running_service

COUNT = 200
SLACK_SECONDS = 3.0
BEGINNINGS = [
    b"",
    b"GET /",
    b"POST /execute HTTP/1.1\r\nHost: here\r\nX-Long: ",
    b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\nGET /healthz HTTP/1.1\r\nX-Long: ",
    b"POST /execute HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\n",  # refused: no key
]
"""Of what is sent at once; each but the first goes on, a byte at a time."""
LONG = {
    "code": f"import time\ntime.sleep({HEAD_SECONDS + 0.5})",
    "tests": [{"kind": "stdio", "stdout": ""}],
    "limits": {"wall_seconds": 3 * HEAD_SECONDS},
}


def test_half_open_connections_are_closed(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one worker, and by two with TLS: side by side, for most of it is waiting."""
    cert, key = map(str, certificate)
    monkeypatch.setenv("SSL_CERT_FILE", cert)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(partial(_half_open, cert, key), (False, True)))


def _half_open(cert: str, key: str, secure: bool) -> None:
    options = ["--sandboxes", "2"]
    if secure:
        options += ["--tls-cert", cert, "--tls-key", key, "--workers", "2"]
    with running_service("unsafe-process", *options) as service, ThreadPoolExecutor(1) as thread:
        context = ssl.create_default_context(cafile=cert) if secure else None
        callers = [_Caller(service, context, BEGINNINGS[n % 5]) for n in range(COUNT)]
        began = time.monotonic()
        answer = thread.submit(service.execute, LONG)
        assert service.client.get("/healthz").elapsed.total_seconds() < 2
        while (still_open := [caller for caller in callers if caller.open()]) and (
            time.monotonic() - began < HEAD_SECONDS + SLACK_SECONDS
        ):
            time.sleep(0.5)
        assert not still_open
        assert [caller.said() for caller in callers[:5]] == [[], [408], [408], [200, 408], [401]]
        why = json.loads(callers[1].heard.partition(b"\r\n\r\n")[2])["detail"]
        assert why == f"the head of the request did not come within {HEAD_SECONDS:.0f} s"
        assert answer.result()[0]["verdict"] == "accepted"
        timed_out = 'coderl_http_requests_total{route="none",status="408"} '
        assert f"{timed_out}{COUNT * 3 / 5}" in service.client.get("/metrics").text
        lines = [line for line in service.log() if line["event"] == "request head timed out"]
        assert len(lines) == COUNT * 3 / 5
        assert lines[0]["address"] == "127.0.0.1"


async def test_a_body_that_trickles_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_WHOLE_SECONDS", 0.3)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"1", "more_body": True}

    with body.Bodies(1000).body(1000) as held, pytest.raises(HTTPException) as refused:
        await body._read(Request({"type": "http", "headers": []}, receive), held)
    assert refused.value.status_code == 408
    assert 0 < held.held < 8


class _Caller:
    """A connection that sends the beginning of something, then a byte whenever it is looked at."""

    def __init__(self, service: Service, context: ssl.SSLContext | None, beginning: bytes) -> None:
        address = service.client.base_url
        self._socket = socket.create_connection((address.host, address.port), timeout=10)
        if context is not None:
            self._socket = context.wrap_socket(self._socket, server_hostname=address.host)
        self._socket.sendall(beginning)
        self._socket.setblocking(False)
        self._trickles = bool(beginning)
        self.heard = b""
        self._ended = False

    def open(self) -> bool:
        try:
            while not self._ended:
                part = self._socket.recv(65536)
                self.heard += part
                self._ended = not part
        except (BlockingIOError, ssl.SSLWantReadError):
            if self._trickles:
                self._trickle()
        except OSError:
            self._ended = True
        if self._ended:
            self._socket.close()
        return not self._ended

    def _trickle(self) -> None:
        try:
            self._socket.send(b"a")
        except (BrokenPipeError, ConnectionResetError):
            self._trickles = False  # what came before is still to be heard

    def said(self) -> list[int]:
        return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", self.heard)]
