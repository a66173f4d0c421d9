"""Requests that no honest client sends, to a real service: each is answered as documented, in
bounded time and memory, and leaves no traceback in the log."""

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import zstandard

from tests.service import KEY, Service, running_service

pytestmark = pytest.mark.gvisor

STDIO = {"kind": "stdio", "stdout": ""}
PROGRAM = {"code": "def f(*args, **named): return args", "tests": [STDIO]}
_SECONDS = 30.0
_GROWTH_MB = 2500
"""What the service may hold more than before; its body limit is 40 MB here."""


@pytest.fixture(scope="module")
def strained() -> Iterator[Service]:
    environment = {"CODERL_MAX_BODY_BYTES": "40000000", "CODERL_AUTH_FAILURES": "100000"}
    with running_service("runsc", "--sandboxes", "2", **environment) as service:
        yield service
        assert service.client.get("/readyz").status_code == 200
        log = service.log_file.read_text()
    assert "Traceback" not in log
    assert not [line for line in _lines(log) if line["level"] in ("error", "critical")]


def _lines(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


def _program(**changes: Any) -> bytes:
    return json.dumps({"programs": [PROGRAM | changes]}).encode()


def _call(**fields: Any) -> bytes:
    return _program(tests=[{"kind": "call", "function": "f"} | fields])


def _in_args(text: bytes) -> bytes:
    call = b'{"kind":"call","function":"f","expected":0,"args":' + text + b"}"
    return b'{"programs":[{"code":"","tests":[' + call + b"]}]}"


def _with(field: bytes, value: bytes) -> bytes:
    test = b'{"kind":"stdio","stdout":""}'
    return b'{"programs":[{"code":"","tests":[' + test + b'],"' + field + b'":' + value + b"}]}"


def _many(item: bytes, size: int = 3_000_000) -> bytes:
    return b",".join([item] * (size // (len(item) + 1)))


def _post(service: Service, body: bytes, path: str = "/execute", **headers: str) -> httpx.Response:
    """Post, and hold the service to its bounds."""
    before, began = _peak_mb(service), time.monotonic()
    headers = {"Content-Type": "application/json"} | headers
    response = service.client.post(path, content=body, headers=headers)
    assert time.monotonic() - began < _SECONDS
    assert _peak_mb(service) - before < _GROWTH_MB
    assert response.status_code < 500 or response.status_code == 503
    assert "Traceback" not in response.text
    return response


def _peak_mb(service: Service) -> float:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


def _errors(response: httpx.Response) -> list[dict[str, Any]]:
    """What a 422 says: each with a field, a value and words, all of them short."""
    assert response.status_code == 422, response.text[:500]
    assert len(response.content) < 100_000
    errors: list[dict[str, Any]] = response.json()["detail"]
    for error in errors:
        assert error["loc"][0] == "body"
        assert error["msg"]
        assert len(error["input"]) <= 201
    return errors


# --- 422 --------------------------------------------------------------------------------

REFUSED = {
    "nothing": (b"", []),
    "a brace": (b"{", []),
    "NUL": (b"\0", []),
    "a list": (b"[]", []),
    "an empty object": (b"{}", ["programs"]),
    "no program": (b'{"programs":[]}', ["programs"]),
    "an empty program": (b'{"programs":[{}]}', ["programs", 0, "code"]),
    "not UTF-8": (_with(b"id", b'"\xff\xfe"'), []),
    "UTF-16": ('{"programs":[]}'.encode("utf-16"), []),
    "a lone surrogate": (_with(b"id", b'"\\ud800"'), []),
    "a long field": (_with(b"k" * 1_000_000, b"1"), ["programs", 0]),
    "a long kind": (_program(tests=[{"kind": "k" * 1_000_000}]), ["programs", 0, "tests", 0]),
    "a long id": (_program(id="i" * 1_000_000), ["programs", 0, "id"]),
    "a long function": (_call(function="f" * 10**6, expected=0), ["programs", 0, "tests", 0]),
    "NUL in a name": (_call(function="f\0", expected=0), ["programs", 0, "tests", 0, "call"]),
    "deep JSON": (_in_args(b"[" * 5_000_000), []),
    "deep arguments": (_in_args(b"[" * 150 + b"]" * 150), ["programs", 0, "tests", 0, "args", 0]),
    "an int of 5,000 digits": (_in_args(b"[" + b"1" * 5000 + b"]"), []),
    "an int of 9 million digits": (_in_args(b"[" + b"1" * 9_000_000 + b"]"), []),
    "a deep literal": (_call(expected_literal="[" * 10**6), ["programs", 0, "tests", 0]),
    "an int too large for a complex": (
        _call(expected_literal="9" * 4000 + "+1j"),
        ["programs", 0, "tests", 0, "expected_literal"],
    ),
    "a literal of one hash": (
        _call(args_literal="{" + ",".join(str(n * (2**61 - 1)) for n in range(50_000)) + "}"),
        ["programs", 0, "tests", 0],
    ),
    "NaN seconds": (_with(b"limits", b'{"cpu_seconds":NaN}'), ["programs", 0, "limits"]),
    "endless seconds": (_with(b"limits", b'{"wall_seconds":1e999}'), ["programs", 0, "limits"]),
    "a huge limit": (_with(b"limits", b'{"memory_mb":' + b"9" * 400 + b"}"), ["programs", 0]),
    "NaN tolerance": (
        _with(b"checker", b'{"type":"equal","float_tolerance":NaN}'),
        ["programs", 0, "checker", "float_tolerance"],
    ),
    "many bad programs": (b'{"programs":[' + _many(b"1") + b"]}", ["programs", 0]),
    "many empty programs": (b'{"programs":[' + _many(b"{}") + b"]}", ["programs", 0]),
    "many bad tests": (b'{"programs":[{"tests":[' + _many(b"{}") + b"]}]}", ["programs", 0]),
    "many unknown fields": (
        b"{" + b",".join(b'"%d":0' % n for n in range(10**6)) + b"}",
        [],
    ),
    "a million tests": (
        _with(b"tests", b"[" + b",".join([b'{"kind":"stdio","stdout":""}'] * 10**6) + b"]"),
        ["programs", 0, "tests"],
    ),
    "100,000 programs": (
        b'{"programs":[' + _many(b'{"code":"","tests":[{"kind":"stdio","stdout":""}]}') + b"]}",
        ["programs"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_body_names_field_and_value(strained: Service, name: str) -> None:
    body, where = REFUSED[name]
    error = _errors(_post(strained, body))[0]
    assert error["loc"][1 : 1 + len(where)] == where


@pytest.mark.parametrize("path", ["/trace", "/run_code"])
@pytest.mark.parametrize(
    "name", ["nothing", "NUL", "not UTF-8", "deep JSON", "many unknown fields"]
)
def test_other_endpoints_refuse_it_too(strained: Service, path: str, name: str) -> None:
    response = _post(strained, REFUSED[name][0], path)
    if (path, name) != ("/run_code", "many unknown fields") or response.status_code != 200:
        assert _errors(response)


# --- bodies that are read, and large -------------------------------------------------------

SMALL = {"lists": b"[]", "objects": b"{}", "numbers": b"1", "strings": b'""'}


@pytest.mark.parametrize(
    "size", [1_000_000, pytest.param(10_000_000, marks=[pytest.mark.slow, pytest.mark.exhaustive])]
)
@pytest.mark.parametrize("name", SMALL)
def test_small_values_in_great_number(strained: Service, name: str, size: int) -> None:
    response = _post(strained, _in_args(b"[" + _many(SMALL[name], size) + b"]"))
    assert response.status_code in (200, 413, 422)


def test_names_in_great_number(strained: Service) -> None:
    names = b",".join(b'"%d":0' % n for n in range(10**6))
    response = _post(strained, _with(b"x", b"{" + names + b"}"))
    assert response.status_code in (200, 413, 422)


def test_more_values_than_all_bodies_may_hold() -> None:
    with running_service("runsc", "--sandboxes", "1", CODERL_QUEUE_BYTES="20000000") as service:
        response = _post(service, _in_args(b"[" + _many(b"1") + b"]"))
        assert response.status_code == 413
        assert "values: split the batch" in response.json()["detail"]
        assert _post(service, _program()).status_code == 200


# --- compression --------------------------------------------------------------------------


def _zstd(data: bytes, **parameters: int) -> bytes:
    chosen = zstandard.ZstdCompressionParameters(**parameters)
    return zstandard.ZstdCompressor(compression_params=chosen).compressobj().compress(data)


def _gzip_bomb(size: int) -> bytes:
    return gzip.compress(b" " * size, compresslevel=6)


def _zstd_bomb(size: int) -> bytes:
    return zstandard.ZstdCompressor().compress(b" " * size)


COMPRESSED = {
    "gzip bomb": ("gzip", lambda: _gzip_bomb(300_000_000), 413),
    "zstd bomb": ("zstd", lambda: _zstd_bomb(300_000_000), 413),
    "gzip in gzip": ("gzip", lambda: gzip.compress(_gzip_bomb(10**8)), 422),
    "gzip of nothing, often": ("gzip", lambda: gzip.compress(b"") * 500_000, 422),
    "zstd of nothing, often": ("zstd", lambda: zstandard.compress(b"") * 500_000, 422),
    "gzip cut": ("gzip", lambda: gzip.compress(_program())[:-9], 400),
    "zstd cut": ("zstd", lambda: zstandard.compress(_program())[:-9], 422),
    "gzip with a wrong sum": ("gzip", lambda: gzip.compress(_program())[:-8] + b"\0" * 8, 400),
    "gzip with a long name": ("gzip", lambda: b"\x1f\x8b\x08\x08" + b"a" * 10**7, 400),
    "zstd with a window of 2 GB": ("zstd", lambda: b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 400),
    "zstd of endless size": (
        "zstd",
        lambda: b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8 + b"\1\0\0",
        400,
    ),
    "no gzip": ("gzip", lambda: b"nonsense", 400),
    "no zstd": ("zstd", lambda: b"nonsense", 400),
    "unknown": ("br", lambda: b"", 415),
    "two": ("gzip, zstd", lambda: b"", 415),
    "a long one": ("g" * 5000, lambda: b"", 415),
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_compression(strained: Service, name: str) -> None:
    encoding, make, status = COMPRESSED[name]
    response = _post(strained, make(), **{"Content-Encoding": encoding})
    assert response.status_code == status
    assert len(response.content) < 2000


@pytest.mark.parametrize(
    "accepted",
    ["", ",", "*;q=nan", "gzip;q=inf", "zstd;q=-1", "gzip;q=" + "9" * 400, "x," * 5000, "é"],
    ids=lambda accepted: accepted[:12],
)
def test_accept_encoding(strained: Service, accepted: str) -> None:
    headers = {b"Accept-Encoding": accepted.encode(), b"Authorization": b"Bearer " + KEY.encode()}
    response = httpx.get(f"{strained.url}/metrics", headers=headers)
    assert response.status_code == 200
    assert "coderl_" in response.text


# --- programs and inputs that are odd, and served ----------------------------------------------

SERVED = {
    "an empty program": (_program(code=""), "accepted"),
    "NUL in a program": (_program(code="\0"), "compile_error"),
    "NUL in an input": (
        _program(code="print(input())", tests=[{"kind": "stdio", "stdin": "\0", "stdout": "\0"}]),
        "accepted",
    ),
    "a byte order mark": (_program(code="\ufeffprint()"), "accepted"),
    "another encoding": (_program(code="# coding: utf-7\n+AGE-"), "compile_error"),
    "folders in folders, before the next process": (
        _program(
            code="import os\nfor _ in range(3000):\n    os.mkdir('a')\n    os.chdir('a')",
            isolation="test",
            tests=[STDIO, STDIO],
        ),
        "accepted",
    ),
    "thousands of folders": (
        _program(
            code="import os\nfor i in range(3_000):\n    os.mkdir(str(i))",
            isolation="test",
            tests=[STDIO, STDIO],
        ),
        None,
    ),
    "a child that traces its parent": (
        _program(
            code="import ctypes, os, time\nlibc = ctypes.CDLL(None)\npid = os.getpid()\n"
            "libc.prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)\nr, w = os.pipe()\n"
            "if os.fork() == 0:\n    os.setsid(); libc.ptrace(0x4206, pid, None, None)\n"
            "    os.write(w, b'x'); time.sleep(99)\nos.read(r, 1); os._exit(3)",
        ),
        "runtime_error",
    ),
    "more memory than a sandbox has": (
        _program(
            code="import os, time\nfor _ in range(14):\n    r, w = os.pipe()\n"
            "    if os.fork() == 0:\n        a = bytearray(450 << 20); os.write(w, b'x')\n"
            "        time.sleep(60)\n    os.read(r, 1)",
        ),
        None,  # on a busy machine its time is over first
    ),
    "a deep program": (_program(code="(" * 100_000), "compile_error"),
    "a long sum": (_program(code="x = " + "+".join(["1"] * 100_000)), "compile_error"),
    "lambdas": (_program(code="x = " + "lambda:" * 100_000 + "1"), "compile_error"),
    "least limits": (_program(limits={"memory_mb": 16, "output_bytes": 1}), "accepted"),
    "no time": (_program(limits={"cpu_seconds": 1e-300, "wall_seconds": 1e-300}), None),
    "odd names of arguments": (_call(kwargs={"": 1, "\0": 2, "a b": 3}, expected=[]), "accepted"),
    "a large int": (_call(args=[10**4000], expected=[10**4000]), "accepted"),
    "a surrogate in a literal": (
        _call(args_literal="('\\ud800',)", expected_literal="('\\ud800',)"),
        "accepted",
    ),
    "a million draws": (
        _program(
            tests=[
                {"kind": "assert", "code": "import random\nassert f(random.choices('a', k=10**10))"}
            ],
            limits={"cpu_seconds": 1, "wall_seconds": 2, "memory_mb": 64},
        ),
        None,
    ),
    "a large input": (
        _program(
            code="print(len(input()))",
            tests=[{"kind": "stdio", "stdin": "a" * 15_000_000, "stdout": "15000000"}],
        ),
        "accepted",
    ),
    "many tests": (_program(tests=[STDIO] * 10_000, limits={"memory_mb": 64}), "accepted"),
}


@pytest.mark.parametrize("name", SERVED)
def test_odd_program_has_a_verdict(strained: Service, name: str) -> None:
    body, verdict = SERVED[name]
    response = _post(strained, body)
    assert response.status_code == 200, response.text[:500]
    (result,) = response.json()["results"]
    assert result["verdict"] != "sandbox_error"
    assert verdict is None or result["verdict"] == verdict


def test_odd_programs_among_honest_ones(strained: Service) -> None:
    odd = [json.loads(body)["programs"][0] for body, _ in SERVED.values() if len(body) < 10_000]
    honest = {"code": "print(input())", "tests": [{"kind": "stdio", "stdin": "a", "stdout": "a"}]}
    batch = [program for pair in zip(odd, [honest] * len(odd), strict=True) for program in pair]
    results = strained.execute(*batch)
    assert {result["verdict"] for result in results[1::2]} == {"accepted"}


def test_tests_that_take_long_to_read_end_with_the_deadline(strained: Service) -> None:
    costly = {"kind": "assert", "code": "while True: pass\nassert f(1)"}
    programs = [PROGRAM | {"tests": [costly] * 2, "id": str(n)} for n in range(1000)]
    body = json.dumps({"programs": programs, "deadline_seconds": 2}).encode()
    response = _post(strained, body)
    assert response.status_code == 413
    assert "deadline_seconds, 2: split the batch" in response.json()["detail"]


# --- HTTP itself ----------------------------------------------------------------------------


def _raw(service: Service, data: bytes) -> bytes:
    """What comes back for bytes that no HTTP library would send."""
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


HEAD = b"POST /execute HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
RAW = {
    "nothing": b"",
    "noise": bytes(range(256)) * 20,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "a long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path of NUL": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(20_000)) + b"\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "a huge length": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a huge chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
    "a body cut short": HEAD + b"Content-Length: 500\r\n\r\n{}",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100,
    "a websocket": b"GET /execute HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_broken_http(strained: Service, name: str) -> None:
    try:
        received = _raw(strained, RAW[name])
    except ConnectionError:
        received = b""
    assert received == b"" or int(received.split()[1]) < 500
    assert strained.client.get("/healthz").status_code == 200
    assert "Traceback" not in strained.log_file.read_text()


@pytest.mark.parametrize("given", [b"", b"\xff" * 50, b"a" * 10_000, b"a\tb", b"{}"])
def test_odd_request_id_is_replaced(strained: Service, given: bytes) -> None:
    response = httpx.get(f"{strained.url}/healthz", headers={b"X-Request-ID": given})
    assert response.status_code == 200
    answered = response.headers["X-Request-ID"]
    assert answered.isprintable()
    assert 0 < len(answered) <= 128
