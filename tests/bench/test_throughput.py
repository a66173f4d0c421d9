"""The benchmark runs, grades the same programs in every way, and says what it measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.gvisor
def test_throughput_prints_rows_and_draws(tmp_path: Path) -> None:
    picture = tmp_path / "throughput.svg"
    command = [sys.executable, "-m", "coderl", "bench", "throughput", "--tests", "2"]
    command += ["--programs", "4", "--rounds", "2", "--requests", "3", "--json"]
    command += ["--picture", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = {(row["way"], row["tests"]): row for row in told["rows"]}
    assert {("ours", 2), ("process", 2)} <= rows.keys()
    for (way, _), row in rows.items():
        least, median, most = row["ratio"][1], row["ratio"][0], row["ratio"][2]
        assert 0 < least <= median <= most
        assert row["programs_per_second"] > 0
        assert row["cpu_seconds_per_program"] is None or row["cpu_seconds_per_program"] > 0
        assert way != "ours" or median == 1
    assert {wait["way"] for wait in told["latency"]} >= {"ours", "process"}
    assert all(0 < wait["p50"] <= wait["p99"] for wait in told["latency"])
    assert picture.read_text().startswith("<?xml")
