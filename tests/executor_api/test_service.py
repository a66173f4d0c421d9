"""The service around the verdicts: keys, limits, errors, streaming, start and stop."""

import gzip
import json
import socket
import time
from pathlib import Path

import httpx
import pytest
import zstandard

from tests.service import KEY, Service, descendants, running_service, runs, start, stop

pytestmark = pytest.mark.gvisor

ECHO = {
    "id": "echo",
    "code": "print(input())",
    "tests": [{"kind": "stdio", "stdin": "a", "stdout": "a"}],
}


def test_health_is_open_and_the_rest_is_not(service: Service) -> None:
    with httpx.Client(base_url=service.url) as anonymous:
        assert anonymous.get("/healthz").json() == {"status": "ok"}
        assert anonymous.get("/readyz").status_code == 200
        for path in ("/version", "/metrics"):
            assert anonymous.get(path).status_code == 401
        for path in ("/execute", "/trace"):
            assert anonymous.post(path, json={}).status_code == 401
        bad = anonymous.post("/execute", json={}, headers={"Authorization": "Bearer wrong"})
        assert bad.status_code == 401
        assert bad.headers["www-authenticate"] == "Bearer"


def test_version(service: Service) -> None:
    version = service.client.get("/version").json()
    assert version["runtime"] == "runsc"
    assert version["runtime_version"].startswith("runsc ")
    assert version["guest_python"].startswith("3.")


def test_metrics_count_programs(service: Service) -> None:
    service.execute(ECHO)
    text = service.client.get("/metrics").text
    assert 'coderl_programs_total{endpoint="execute",verdict="accepted"}' in text
    assert "coderl_sandboxes_ready" in text


def test_results_keep_request_order(service: Service) -> None:
    programs = [ECHO | {"id": str(i), "code": f"print({i})"} for i in range(40)]
    results = service.execute(*programs)
    assert [result["id"] for result in results] == [str(i) for i in range(40)]
    assert [result["index"] for result in results] == list(range(40))
    assert [result["tests"][0]["stdout"] for result in results] == [f"{i}\n" for i in range(40)]


def test_stream_is_one_line_a_result_and_a_summary(service: Service) -> None:
    slow = ECHO | {"id": "slow", "code": "import time\ntime.sleep(1)\nprint('a')"}
    headers = {"Accept": "application/x-ndjson"}
    batch = {"programs": [slow, ECHO, ECHO]}
    with service.client.stream("POST", "/execute", json=batch, headers=headers) as response:
        assert response.headers["content-type"].startswith("application/x-ndjson")
        lines = [json.loads(line) for line in response.iter_lines()]
    assert sorted(line["index"] for line in lines[:-1]) == [0, 1, 2]
    assert lines[-1] == {"summary": True, "programs": 3, "verdicts": {"accepted": 3}}


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("zstd", lambda data: zstandard.ZstdCompressor().compress(data))],
)
def test_compressed_bodies(service: Service, encoding: str, compress) -> None:  # type: ignore[no-untyped-def]
    body = compress(json.dumps({"programs": [ECHO]}).encode())
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    response = service.client.post("/execute", content=body, headers=headers)
    assert response.json()["results"][0]["verdict"] == "accepted"
    broken = service.client.post("/execute", content=b"nonsense", headers=headers)
    assert broken.status_code == 400


def test_unknown_encoding_names_the_known(service: Service) -> None:
    response = service.client.post("/execute", content=b"x", headers={"Content-Encoding": "br"})
    assert response.status_code == 415
    assert "gzip" in response.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"tests": []}, ["tests"], "at least 1"),
        ({"tests": [{"kind": "stdio", "stdin": ""}]}, ["tests", 0, "stdio", "stdout"], "required"),
        ({"tests": [{"kind": "call", "function": "f"}]}, ["tests", 0, "call"], "expected"),
        ({"tests": [{"kind": "odd"}]}, ["tests", 0], "stdio"),
        ({"limits": {"cpu_seconds": 1e6}}, ["limits", "cpu_seconds"], "maximum is 60"),
        ({"limits": {"memory_mb": -1}}, ["limits", "memory_mb"], "greater"),
        ({"language": "cobol"}, ["language"], "python"),
        ({"cod": ""}, ["cod"], "Extra"),
        (
            {"tests": [{"kind": "call", "function": "f", "expected_literal": "[1"}]},
            ["tests", 0, "expected_literal"],
            "",
        ),
        ({"tests": [{"kind": "assert", "code": "assert ("}]}, ["tests", 0, "code"], ""),
    ],
)
def test_bad_field_is_named(
    service: Service, change: dict[str, object], field: list[object], says: str
) -> None:
    response = service.client.post("/execute", json={"programs": [ECHO, ECHO | change]})
    assert response.status_code == 422
    (error, *_) = response.json()["detail"]
    assert error["loc"] == ["body", "programs", 1, *field]
    assert says in error["msg"]
    assert len(str(error["input"])) < 1000


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"programs": 1}', b"\xff\xfe"])
def test_malformed_body_is_422(service: Service, body: bytes) -> None:
    response = service.client.post("/execute", content=body)
    assert response.status_code == 422
    assert "Traceback" not in response.text


def test_deadline_skips_what_has_not_run(service: Service) -> None:
    slow = ECHO | {"code": "import time\ntime.sleep(1)\nprint('a')"}
    results = service.execute(*[slow] * 30, deadline_seconds=2.5, deduplicate=False)
    verdicts = [result["verdict"] for result in results]
    assert verdicts[0] == "accepted"
    assert verdicts[-1] == "skipped"


def test_refuses_an_open_address_without_keys() -> None:
    process = start("--host", "0.0.0.0", "--port", "0", CODERL_API_KEYS="")
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert "CODERL_API_KEYS" in errors
    assert "Traceback" not in errors


def test_refuses_a_runtime_that_is_not_gvisor(tmp_path: Path) -> None:
    fake = tmp_path / "runsc"
    fake.write_text("#!/bin/sh\necho runc version 1.1\n")
    fake.chmod(0o755)
    process = start("--port", "0", CODERL_RUNSC=str(fake))
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "not gVisor" in errors
    assert "unsafe-process" in errors
    assert "Traceback" not in errors


def test_refuses_without_runsc() -> None:
    process = start("--port", "0", CODERL_RUNSC="/nonexistent/runsc")
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "install" in errors


def test_second_start_on_the_same_port_says_so(service: Service) -> None:
    port = service.url.rpartition(":")[2]
    process = start("--port", port)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "--port" in errors


def test_unsafe_process_says_so_in_every_result() -> None:
    with running_service("unsafe-process") as unsafe:
        results = unsafe.execute(ECHO, ECHO)
        assert unsafe.client.get("/version").json()["runtime"] == "unsafe-process"
    assert {result["runtime"] for result in results} == {"unsafe-process"}
    assert {result["verdict"] for result in results} == {"accepted"}


def test_body_beyond_the_limit_is_413() -> None:
    with running_service("unsafe-process", CODERL_MAX_BODY_BYTES="10000") as small:
        response = small.client.post("/execute", json={"programs": [ECHO | {"code": "#" * 20_000}]})
        bomb = gzip.compress(b" " * 10_000_000)
        headers = {"Content-Encoding": "gzip"}
        bombed = small.client.post("/execute", content=bomb, headers=headers)
    assert response.status_code == bombed.status_code == 413


def test_interrupt_leaves_nothing_behind() -> None:
    process = start("--port", "0", "--sandboxes", "2", CODERL_API_KEYS=KEY)
    assert process.stdout is not None
    assert " ready at " in process.stdout.readline()
    children = descendants(process.pid)
    assert any("runsc" in name for name in children.values())
    assert "Traceback" not in stop(process)
    assert process.returncode == 0
    deadline = time.monotonic() + 20
    while (alive := [pid for pid in children if runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive


def test_ipv6_loopback_needs_no_keys() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    process = start(
        "--host", "::1", "--port", "0", "--runtime", "unsafe-process", CODERL_API_KEYS=""
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    stop(process)
    assert "http://[::1]:" in line
