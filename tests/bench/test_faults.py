"""``coderl bench faults``, shortened: services survive; and what it looks for it would find."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.fault_injection import asking
from bench.fault_injection.asking import Load
from bench.fault_injection.instance import Instance, until
from bench.faults import Found, grown
from bench.load import Watch
from tests.trainer_client.faulty_server import FaultyServer, serving


def bench_faults(*options: str) -> tuple[int, list[dict[str, Any]]]:
    command = [sys.executable, "-m", "coderl", "bench", "faults", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)
    assert done.stdout, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return done.returncode, found


def check(status: int, found: list[dict[str, Any]]) -> None:
    for item in found:
        assert (item["wrong"], item["lost"], item["left"]) == ([], [], []), item
        assert item["injected"] == len(item["recoveries"]) > 0
        assert item["programs"] > 10
    assert status == 0


@pytest.mark.gvisor
def test_services_survive() -> None:
    status, found = bench_faults("--rounds", "1", "--quick", "--only", "service killed")
    assert [item["fault"] for item in found] == ["service killed"]
    check(status, found)
    assert found[0]["client_retries"] > 0


@pytest.mark.gvisor
@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.timeout(1600)
def test_services_survive_everything() -> None:
    status, found = bench_faults("--rounds", "1")
    assert len(found) >= 18
    check(status, found)
    retries = {item["fault"]: item["sandbox_retries"] for item in found}
    assert retries["kernel killed"] > 0


async def _load(url: str) -> Load:
    load = Load([url], clients=1, seed=0)
    load.stopping = True
    seconds = asking.CALL_SECONDS
    async with asking.ExecutorClient(url, asking.KEY, deadline_seconds=seconds) as client:
        await load.ask_once(client)
    return load


@pytest.fixture
def wrong_answers() -> Iterator[str]:
    """The address of an executor that accepts everything."""
    with serving(FaultyServer()) as url:
        yield url


async def test_wrong_verdicts_are_found(wrong_answers: str) -> None:
    load = await _load(wrong_answers)
    assert len(load.tally.wrong) == load.tally.programs == asking.PROGRAMS_PER_REQUEST + 1


async def test_what_is_never_answered_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "GIVE_UP_SECONDS", 1.0)
    monkeypatch.setattr(asking, "CALL_SECONDS", 1.5)
    load = await _load("http://127.0.0.1:9")
    assert len(load.tally.lost) == asking.PROGRAMS_PER_REQUEST + 1
    assert set(load.tally.errors) <= {"ConnectionFailed", "DeadlineExceeded"}
    assert load.tally.errors.total() >= len(load.tally.lost)


async def test_what_is_left_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.fault_injection.instance.SETTLE_SECONDS", 0.5)
    instance = Instance(tmp_path)
    assert await instance.left_over() == []
    (instance.state / "4f1d").mkdir()
    (instance.temporary / "box").touch()
    command = ("sh", "-c", "sleep 30 & wait")
    with subprocess.Popen(command) as process:
        instance.watches.append(Watch(process.pid))
        assert await until(lambda: instance.look() or bool(instance.watches[0].seen), 10)
        left = await instance.left_over()
        process.kill()
    assert [item.split()[0] for item in left[:-2]] == ["process"]
    assert left[-2:] == [str(tmp_path / "run/4f1d"), str(tmp_path / "tmp/box")]
    await instance.close()


def test_growth_is_found() -> None:
    assert grown(60, 119) == []
    assert grown(60, 121) == ["memory: 60 → 121 MB"]


def test_anything_found_is_bad() -> None:
    assert Found("x").good
    assert not Found("x", wrong=["w"]).good
    assert not Found("x", lost=["l"]).good
    assert not Found("x", left=["d"]).good


def test_an_unknown_fault_names_the_known() -> None:
    command = [sys.executable, "-m", "coderl", "bench", "faults", "--only", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "'kernel killed'" in done.stderr
