"""The service under load: bounds, fairness, callers who leave, compression, metrics, the log."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import zstandard

from executor_api.compression import chosen
from executor_api.request_log import request_id
from tests.service import KEY, Service, running_service

OTHER = "secret-of-another"
ECHO = {
    "id": "echo",
    "code": "print(input())",
    "tests": [{"kind": "stdio", "stdin": "a", "stdout": "a"}],
}
NDJSON = {"Accept": "application/x-ndjson"}


def _sleeping(seconds: float) -> dict[str, Any]:
    return ECHO | {"id": "slow", "code": f"import time\ntime.sleep({seconds})\nprint('a')"}


def _different(count: int) -> dict[str, Any]:
    return {"programs": [ECHO] * count, "deduplicate": False}


@pytest.fixture(scope="module")
def single() -> Iterator[Service]:
    """One sandbox, two keys, and a queue of 4,000."""
    keys = {"CODERL_API_KEYS": f"tests:{KEY},other:{OTHER}", "CODERL_QUEUE_PROGRAMS": "4000"}
    with running_service("unsafe-process", "--sandboxes", "1", **keys) as running:
        yield running


def _wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


class _Caller:
    """A request in a thread, whose caller can leave before it is answered."""

    def __init__(self, service: Service, programs: list[dict[str, Any]], **headers: str) -> None:
        self._client = httpx.Client(
            base_url=service.url,
            headers={"Authorization": f"Bearer {KEY}"} | headers,
            timeout=60,
        )
        self._programs = programs
        self.first_line = threading.Event()
        self.answer: list[str] = []
        self._left = threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        body = {"programs": self._programs, "deduplicate": False}
        with (
            suppress(httpx.HTTPError, httpx.StreamError, OSError, RuntimeError),
            self._client.stream("POST", "/execute", json=body) as response,
        ):
            for line in response.iter_lines():
                self.answer.append(line)
                self.first_line.set()
                if self._left.is_set():
                    break

    def leave(self) -> None:
        """Close the connection, whatever is under way on it."""
        self._left.set()
        for connection in self._client._transport._pool.connections:  # type: ignore[attr-defined]
            with suppress(Exception):
                stream = connection._connection._network_stream
                stream.get_extra_info("socket").shutdown(2)
        self.thread.join(30)
        self._client.close()


@pytest.mark.parametrize("headers", [{}, NDJSON])
def test_a_caller_who_leaves_frees_the_queue(single: Service, headers: dict[str, str]) -> None:
    caller = _Caller(single, [_sleeping(0.2)] * 500, **headers)
    _wait_for(lambda: single.metric("coderl_queue_programs") > 400)
    if headers:
        assert caller.first_line.wait(10)
    caller.leave()
    assert _wait_for(lambda: single.metric("coderl_queue_programs") == 0) < 3
    assert single.metric("coderl_queue_bytes") == 0
    assert single.execute(ECHO)[0]["verdict"] == "accepted"


def test_one_program_of_another_key_waits_about_one_turn(single: Service) -> None:
    caller = _Caller(single, [_sleeping(0.05)] * 2000)
    _wait_for(lambda: single.metric("coderl_queue_programs") > 1500)
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {OTHER}"}
    answer = httpx.post(
        f"{single.url}/execute", json={"programs": [ECHO]}, headers=headers, timeout=60
    )
    waited = time.monotonic() - began
    still_waiting = single.metric("coderl_queue_programs")
    caller.leave()
    assert answer.json()["results"][0]["verdict"] == "accepted"
    assert still_waiting > 1000
    assert waited < 5


def test_full_share_and_full_queue_say_when_to_come_again(single: Service) -> None:
    caller = _Caller(single, [_sleeping(0.05)] * 1900)
    _wait_for(lambda: single.metric("coderl_queue_programs") > 1500)
    share = single.client.post("/execute", json=_different(1900))
    assert share.status_code == 429
    assert 1 <= int(share.headers["retry-after"]) <= 60
    few = single.client.post("/execute", json=_different(110))
    if few.status_code == 429:
        assert int(few.headers["retry-after"]) <= int(share.headers["retry-after"])
    caller.leave()


def test_full_queue_is_503_with_retry_after() -> None:
    with running_service("unsafe-process", "--sandboxes", "1", CODERL_QUEUE_PROGRAMS="40") as small:
        caller = _Caller(small, [_sleeping(0.5)] * 30)
        _wait_for(lambda: small.metric("coderl_queue_programs") > 20)
        keys = small.client.post("/execute", json=_different(20))
        caller.leave()
        assert small.execute(ECHO)[0]["verdict"] == "accepted"
    # Without a second key, its share is the queue.
    assert keys.status_code in (429, 503)
    assert 1 <= int(keys.headers["retry-after"]) <= 60


@pytest.mark.parametrize(("count", "length", "says"), [(11, 10, "11 programs"), (2, 1500, "bytes")])
def test_what_the_queue_never_holds_is_413(count: int, length: int, says: str) -> None:
    limits = {"CODERL_QUEUE_PROGRAMS": "10", "CODERL_QUEUE_BYTES": "2500"}
    batch = _different(count)
    batch["programs"] = [ECHO | {"code": "#" * length}] * count
    with running_service("unsafe-process", "--sandboxes", "1", **limits) as small:
        response = small.client.post("/execute", json=batch)
        assert small.execute(ECHO)[0]["verdict"] == "accepted"
    assert response.status_code == 413
    assert says in response.json()["detail"]
    assert "split" in response.json()["detail"]


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_responses_are_compressed(single: Service, encoding: str) -> None:
    batch = {"programs": [ECHO] * 40}
    headers = {"Accept-Encoding": encoding}
    response = single.client.post("/execute", json=batch, headers=headers)
    assert response.headers["content-encoding"] == encoding
    assert len(response.json()["results"]) == 40
    plain = single.client.post("/execute", json=batch, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert int(plain.headers["content-length"]) == len(plain.content)
    assert int(plain.headers["content-length"]) > 4 * response.num_bytes_downloaded


def test_small_and_large_bodies_keep_their_length(single: Service) -> None:
    small = single.client.get("/healthz", headers={"Accept-Encoding": "zstd"})
    assert "content-encoding" not in small.headers
    large = ECHO | {"code": "print('a' * 200_000)"}
    headers = {"Accept-Encoding": "identity"}
    answer = single.client.post("/execute", json={"programs": [large] * 3}, headers=headers)
    assert int(answer.headers["content-length"]) == len(answer.content) > 600_000
    assert [result["index"] for result in answer.json()["results"]] == [0, 1, 2]


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "identity"])
def test_streamed_results_arrive_as_they_complete(single: Service, encoding: str) -> None:
    batch = {"programs": [ECHO, _sleeping(1.5)]}
    headers = NDJSON | {"Accept-Encoding": encoding}
    with single.client.stream("POST", "/execute", json=batch, headers=headers) as response:
        assert response.headers.get("content-encoding", "identity") == encoding
        lines = response.iter_lines()
        assert json.loads(next(lines))["id"] == "echo"
        first = time.monotonic()
        assert json.loads(next(lines))["id"] == "slow"
        assert time.monotonic() - first > 1.0
        assert json.loads(next(lines))["summary"]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip", "gzip"),
        ("zstd;q=0.1, gzip;q=0.9", "gzip"),
        ("zstd;q=0, gzip; q=0", None),
        ("*", "zstd"),
        ("identity", None),
        ("", None),
        ("gzip;q=high", None),
    ],
)
def test_accept_encoding(accepted: str, encoding: str | None) -> None:
    assert chosen(accepted) == encoding


def test_other_requests_go_on_while_a_large_body_is_parsed(single: Service) -> None:
    tests = [{"kind": "stdio", "stdin": "1 2 3\n" * 20, "stdout": "6\n"}] * 100
    body = json.dumps(_different(0) | {"programs": [ECHO | {"tests": tests}] * 2100}).encode()
    assert len(body) > 30_000_000
    statuses: list[int] = []

    def ask() -> None:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Encoding": "zstd"}
        packed = zstandard.ZstdCompressor().compress(body)
        answer = httpx.post(f"{single.url}/execute", content=packed, headers=headers, timeout=60)
        statuses.append(answer.status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    longest = 0.0
    while thread.is_alive():
        began = time.monotonic()
        assert single.client.get("/healthz").status_code == 200
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.01)
    thread.join()
    assert statuses == [413]  # more programs than one of two keys may have waiting
    assert longest < 2


def test_truncated_compressed_body_is_400(single: Service) -> None:
    packed = zstandard.ZstdCompressor().compress(json.dumps({"programs": [ECHO]}).encode())
    headers = {"Content-Encoding": "zstd"}
    response = single.client.post("/execute", content=packed[:-9], headers=headers)
    assert response.status_code in (400, 422)


def test_metrics(single: Service) -> None:
    single.execute(ECHO)
    text = single.client.get("/metrics").text
    for expected in (
        'coderl_programs_total{endpoint="execute",verdict="accepted"}',
        'coderl_tests_total{verdict="accepted"}',
        'coderl_program_seconds_count{endpoint="execute"}',
        "coderl_judge_seconds_count",
        "coderl_queue_seconds_count",
        "coderl_queue_oldest_seconds 0.0",
        "coderl_sandboxes_ready 1.0",
        "coderl_sandboxes_leased 0.0",
        'coderl_sandboxes_retired_total{reason="key"}',
        "coderl_deduplicated_programs_total",
        'coderl_http_requests_total{route="/execute",status="200"}',
        "coderl_http_received_bytes_total",
        "coderl_http_sent_bytes_total",
    ):
        assert expected in text, expected


def test_one_line_for_each_request_without_the_program(single: Service) -> None:
    response = single.client.post(
        "/execute",
        json={"programs": [ECHO | {"code": "print('a')  # very secret"}]},
        headers={"X-Request-ID": "step 12/3"},
    )
    assert response.headers["x-request-id"] == "step 12/3"
    (line,) = [line for line in single.log() if line.get("request_id") == "step 12/3"]
    assert (line["event"], line["method"], line["route"]) == ("request", "POST", "/execute")
    assert (line["status"], line["key"], line["programs"]) == (200, "tests", 1)
    assert line["bytes_in"] > 0 < line["bytes_out"]
    assert line["seconds"] > 0
    log = single.log_file.read_text()
    assert "very secret" not in log
    assert KEY not in log


@pytest.mark.parametrize("given", [None, "", "x" * 129, "naïve", "a\tb"])
def test_an_odd_request_id_is_replaced(given: str | None) -> None:
    assert len(request_id(given)) == 32


def test_death_of_a_sandbox_names_its_request(single: Service) -> None:
    fatal = ECHO | {"code": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"}
    response = single.client.post(
        "/execute", json={"programs": [fatal]}, headers={"X-Request-ID": "fatal"}
    )
    assert response.json()["results"][0]["verdict"] == "sandbox_error"
    died = [line for line in single.log() if line["event"] == "sandbox died"]
    assert died
    assert died[-1]["requests"] == ["fatal"]
