"""The end of a service, and several worker processes: nothing is lost, nothing is left."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service import Service, descendants, running_service, runs

ECHO = {
    "id": "echo",
    "code": "print(input())",
    "tests": [{"kind": "stdio", "stdin": "a", "stdout": "a"}],
}
SLOW = ECHO | {"code": "import time\ntime.sleep(0.5)\nprint('a')"}
NDJSON = {"Accept": "application/x-ndjson"}


class _Batch:
    """A request in a thread."""

    def __init__(self, service: Service, count: int) -> None:
        self._service, self._count = service, count
        self.response: httpx.Response | None = None
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        while service.metric("coderl_sandboxes_leased") == 0:
            time.sleep(0.05)

    def _ask(self) -> None:
        batch = {"programs": [SLOW] * self._count, "deduplicate": False}
        headers = self._service.client.headers
        self.response = httpx.post(
            f"{self._service.url}/execute", json=batch, headers=headers, timeout=60
        )

    def wait(self) -> httpx.Response:
        self._thread.join(60)
        assert self.response is not None
        return self.response


def _end(service: Service, seconds: float = 20) -> None:
    """It ends by itself, and so does everything it started."""
    children = descendants(service.process.pid)
    assert service.process.wait(seconds) == 0
    deadline = time.monotonic() + 5
    while (alive := [pid for pid in children if runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive


@pytest.mark.parametrize("workers", ["1", "2"])
def test_drain_answers_what_was_admitted_and_refuses_the_rest(workers: str) -> None:
    options = ("--sandboxes", workers, "--workers", workers)
    with running_service("unsafe-process", *options) as service:
        batch = _Batch(service, 4)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        ready = service.client.get("/readyz")
        refused = service.client.post("/execute", json={"programs": [ECHO]})
        if workers == "1":
            assert ready.status_code == refused.status_code == 503
            assert 1 <= int(ready.headers["retry-after"]) <= 60
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert "stopping" in refused.json()["detail"]
        answer = batch.wait()
        _end(service)
    assert answer.status_code == 200
    assert [result["verdict"] for result in answer.json()["results"]] == ["accepted"] * 4


def test_what_is_not_done_within_the_drain_is_refused_as_retryable() -> None:
    with running_service("unsafe-process", "--sandboxes", "1", CODERL_DRAIN_SECONDS="1") as service:
        plain = _Batch(service, 40)
        lines: list[dict[str, Any]] = []
        body = {"programs": [SLOW] * 40, "deduplicate": False}
        # A cut stream is an error in every client; a line that said so might be taken for a result.
        with (
            pytest.raises(httpx.RemoteProtocolError),
            service.client.stream("POST", "/execute", json=body, headers=NDJSON) as response,
        ):
            service.process.send_signal(signal.SIGTERM)
            lines += [json.loads(line) for line in response.iter_lines()]
        answer = plain.wait()
        _end(service)
        log = service.log_file.read_text()
    assert not any(line.get("summary") for line in lines)
    assert answer.status_code == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "Traceback" not in log


@pytest.mark.gvisor
@pytest.mark.parametrize(("number", "workers"), [(signal.SIGTERM, "1"), (signal.SIGINT, "2")])
def test_a_second_signal_ends_at_once(number: signal.Signals, workers: str) -> None:
    with running_service("runsc", "--sandboxes", workers, "--workers", workers) as service:
        body = {"programs": [SLOW | {"code": "import time\ntime.sleep(30)"}]}
        threading.Thread(target=_ask_in_vain, args=(service, body)).start()
        time.sleep(1)
        service.process.send_signal(number)
        time.sleep(0.5)
        assert service.process.poll() is None
        service.process.send_signal(number)
        _end(service, seconds=8)


def _ask_in_vain(service: Service, body: dict[str, Any]) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.post(f"{service.url}/execute", json=body, headers=service.client.headers, timeout=60)


@pytest.fixture(scope="module")
def pair() -> Iterator[Service]:
    with running_service("unsafe-process", "--workers", "2", "--sandboxes", "2") as service:
        yield service


def _workers(service: Service) -> list[int]:
    found = descendants(service.process.pid)
    return [pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _execute(service: Service, _number: int) -> str:
    """On a connection of its own, tried again where that breaks."""
    for _ in range(5):
        try:
            answer = httpx.post(
                f"{service.url}/execute",
                json={"programs": [ECHO] * 3, "deduplicate": False},
                headers=service.client.headers,
                timeout=60,
            )
            break
        except httpx.TransportError:
            time.sleep(0.2)
    return "".join(result["verdict"][0] for result in answer.json()["results"])


def test_a_killed_worker_is_replaced_and_the_service_goes_on(pair: Service) -> None:
    first = _workers(pair)
    assert len(first) == 2
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(_execute, pair, number) for number in range(30)]
        time.sleep(0.3)
        os.kill(first[0], signal.SIGKILL)
        assert {answer.result() for answer in answers} == {"aaa"}
    deadline = time.monotonic() + 20
    while len(_workers(pair)) < 2 or pair.metric("coderl_sandboxes_ready") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert set(_workers(pair)) != set(first)
    assert _execute(pair, 0) == "aaa"


def test_metrics_are_of_all_workers(pair: Service) -> None:
    def count() -> float:
        return pair.metric("coderl_queue_seconds_count")

    before = count()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda number: _execute(pair, number), range(24))) == {"aaa"}
    assert [count() - before for _ in range(8)] == [72] * 8
    assert pair.metric("coderl_sandboxes_ready") == 2


def test_workers_end_with_their_supervisor() -> None:
    with running_service("unsafe-process", "--workers", "2", "--sandboxes", "2") as service:
        children = descendants(service.process.pid)
        service.process.kill()
        service.process.wait()
        deadline = time.monotonic() + 15
        while (alive := [pid for pid in children if runs(pid)]) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert not alive
