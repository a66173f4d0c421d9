"""A real ``coderl serve`` in a process of its own."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

KEY = "secret-of-the-tests"
_READY_SECONDS = 90.0
_STOP_SECONDS = 45.0


@dataclass
class Service:
    url: str
    process: subprocess.Popen[str]
    client: httpx.Client

    def execute(self, *programs: dict[str, Any], **batch: Any) -> list[dict[str, Any]]:
        return self._results("/execute", {"programs": programs} | batch)

    def trace(self, *programs: dict[str, Any], **batch: Any) -> list[dict[str, Any]]:
        return self._results("/trace", {"programs": programs} | batch)

    def _results(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        response = self.client.post(path, json=body)
        assert response.status_code == 200, response.text
        results: list[dict[str, Any]] = response.json()["results"]
        return results


@contextlib.contextmanager
def running_service(runtime: str, *options: str, **environment: str) -> Iterator[Service]:
    """Start it on a free port, wait until it says that it is ready, stop it."""
    environment = {"CODERL_API_KEYS": f"tests:{KEY}"} | environment
    process = start("--runtime", runtime, "--port", "0", *options, **environment)
    try:
        url = _address(process)
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
            yield Service(url, process, client)
    finally:
        stop(process)


def start(*options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "coderl", "serve", *options],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop(process: subprocess.Popen[str]) -> str:
    """Interrupt it, as Ctrl-C does; return what it had written to standard error."""
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return errors


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    stdout = process.stdout
    threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
    line = lines.get(timeout=_READY_SECONDS)
    if " ready at " not in line:
        raise AssertionError(f"the service did not start: {process.communicate()[1]}")
    return line.split(" ready at ")[1].split()[0]
