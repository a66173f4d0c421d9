"""A real ``coderl serve`` in a process of its own."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

KEY = "secret-of-the-tests"
_READY_SECONDS = 90.0
_STOP_SECONDS = 45.0


@dataclass
class Service:
    url: str
    process: subprocess.Popen[str]
    client: httpx.Client
    log_file: Path

    def log(self) -> list[dict[str, Any]]:
        """What it has logged, a line each."""
        lines = self.log_file.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def metric(self, name: str) -> float:
        """A metric without labels."""
        lines = self.client.get("/metrics").text.splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))

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
def running_service(
    runtime: str, *options: str, python: Sequence[str] = (sys.executable,), **environment: str
) -> Iterator[Service]:
    """Start it on a free port, wait until it says that it is ready, stop it."""
    environment = {"CODERL_API_KEYS": f"tests:{KEY}"} | environment
    options = ("--runtime", runtime, "--port", "0", *options)
    with tempfile.NamedTemporaryFile("w", prefix="coderl-test-log-") as log:
        process = start(*options, log=log, python=python, **environment)
        try:
            url = _address(process, Path(log.name))
            headers = {"Authorization": f"Bearer {KEY}"}
            with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
                yield Service(url, process, client, Path(log.name))
        finally:
            stop(process)


def start(
    *options: str,
    log: int | IO[str] = subprocess.PIPE,
    python: Sequence[str] = (sys.executable,),
    **environment: str,
) -> subprocess.Popen[str]:
    """Its log goes to ``log``; a pipe that nobody reads fills after some hundred requests."""
    return subprocess.Popen(
        [*python, "-m", "coderl", "serve", *options],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )


def stop(process: subprocess.Popen[str]) -> str:
    """Interrupt it, as Ctrl-C does; return what it had written to standard error, if a pipe."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return errors or ""


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    stdout = process.stdout
    threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
    line = lines.get(timeout=_READY_SECONDS)
    if " ready at " not in line:
        process.wait(_STOP_SECONDS)
        raise AssertionError(f"the service did not start: {log.read_text()}")
    return line.split(" ready at ")[1].split()[0]


def runs(pid: int) -> bool:
    """Whether there is such a process, other than one its new parent has yet to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def descendants(pid: int) -> dict[int, str]:
    """Process → its name."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name, rest = text.split("(", 1)[1].rsplit(")", 1)
        found[int(stat.parent.name)] = (name, int(rest.split()[1]))
    chosen: dict[int, str] = {}
    frontier = {pid}
    while frontier:
        frontier = {child for child, (_, parent) in found.items() if parent in frontier}
        chosen |= {child: found[child][0] for child in frontier}
    return chosen
