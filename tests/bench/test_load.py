"""``coderl bench load``, small: every answer right, nothing left over; and that it can fail."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.trainer_client.faulty_server import FaultyServer, serving


def bench_load(*options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "coderl", "bench", "load", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


@pytest.mark.gvisor
def test_every_answer_is_right_and_nothing_is_left_over() -> None:
    status, found = bench_load("--clients", "20", "--programs", "200", "--seed", "14")
    assert (status, found["mismatches"], found["examples"]) == (0, 0, [])
    assert (found["programs"], found["requests"]) == (200, 20)
    assert (found["processes_left"], found["sandboxes_left"]) == ([], 0)
    assert 0 < found["latency_p50"] <= found["latency_p99"]
    assert len(found["kinds"]) == 14
    assert set(found["rss_mb"]) == {"start", "warm", "end"}


def test_answers_of_other_questions_are_found_out() -> None:
    server = FaultyServer()
    with serving(server) as server.url:
        status, found = bench_load("--url", server.url, "--clients", "3", "--programs", "40")
    assert status == 1
    assert found["programs"] == found["mismatches"] == 40


def test_a_missing_answer_is_a_mismatch() -> None:
    options = ("--clients", "1", "--programs", "4", "--deadline", "2")
    status, found = bench_load("--url", "http://127.0.0.1:9", *options)
    assert (status, found["mismatches"]) == (1, 4)
    assert "ConnectError" in found["examples"][0] or "connection" in found["examples"][0]


def test_a_bad_option_is_named() -> None:
    command = [sys.executable, "-m", "coderl", "bench", "load", "--clients", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--clients is 0: give at least 1" in done.stderr


def test_an_unknown_benchmark_names_the_known() -> None:
    command = [sys.executable, "-m", "coderl", "bench", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    words = " ".join(done.stderr.replace("│", "").split())  # without the frame around them
    assert "there are: coverage, faults, load, privilege, step, throughput, trace" in words
