"""A killed sandbox costs no verdict; what a killed service leaves, the next one sweeps up."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest

from tests.service import Service, descendants, running_service

PROGRAMS = 120
KILLS = 4


@pytest.mark.gvisor
def test_killed_sandboxes_cost_no_verdict() -> None:
    with running_service("runsc", "--sandboxes", "2") as service:
        programs = [_program(i) for i in range(PROGRAMS)]
        answers: list[dict[str, object]] = []
        batch = threading.Thread(
            target=lambda: answers.extend(service.execute(*programs, deduplicate=False))
        )
        batch.start()
        killed = 0
        while batch.is_alive() and killed < KILLS:
            time.sleep(0.6)
            killed += _kill_one_sandbox(service)
        batch.join(120)
        again = service.execute(*programs[:4])
    assert killed == KILLS
    expected = ["accepted" if i % 2 else "wrong_answer" for i in range(PROGRAMS)]
    assert [answer["verdict"] for answer in answers] == expected
    assert max(int(str(answer["attempts"])) for answer in answers) > 1
    assert [answer["verdict"] for answer in again] == expected[:4]


@pytest.mark.gvisor
def test_a_program_whose_every_sandbox_dies_has_no_verdict() -> None:
    with running_service("runsc", "--sandboxes", "1", CODERL_ATTEMPTS="2") as service:
        stop = threading.Event()

        def killer() -> None:
            while not stop.is_set():
                time.sleep(1.5)  # long enough to start a sandbox, too short for the program
                _kill_one_sandbox(service)

        endless = {
            "code": "import time\ntime.sleep(8)",
            "tests": [{"kind": "stdio", "stdin": "", "stdout": ""}],
        }
        thread = threading.Thread(target=killer)
        thread.start()
        try:
            (lost,) = service.execute(endless)
        finally:
            stop.set()
            thread.join()
        (healed,) = service.execute(_program(1))
    assert (lost["verdict"], lost["passed"]) == ("sandbox_error", None)
    assert healed["verdict"] == "accepted"


def test_the_next_start_sweeps_up_after_a_killed_service(tmp_path: Path) -> None:
    options = ("--workers", "2", "--sandboxes", "2")
    with running_service("unsafe-process", *options, TMPDIR=str(tmp_path)) as service:
        program = _program(1) | {"code": "import time\ntime.sleep(5)"}
        threading.Thread(target=_ask_in_vain, args=(service, program)).start()
        while service.metric("coderl_sandboxes_leased") == 0:
            time.sleep(0.05)
        children = descendants(service.process.pid)
        for pid in (service.process.pid, *_workers(children)):
            os.kill(pid, signal.SIGKILL)
        service.process.wait()
    assert any(tmp_path.iterdir())
    with running_service("unsafe-process", *options, TMPDIR=str(tmp_path)) as service:
        (answer,) = service.execute(_program(1))
    assert answer["verdict"] == "accepted"
    assert list(tmp_path.iterdir()) == []


def _ask_in_vain(service: Service, program: dict[str, object]) -> None:
    with contextlib.suppress(httpx.HTTPError):
        service.client.post("/execute", json={"programs": [program]})


def _workers(processes: Iterable[int]) -> list[int]:
    return [pid for pid in processes if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _program(number: int) -> dict[str, object]:
    code = f"import time\ntime.sleep(0.05)\nprint({number})"
    expected = str(number if number % 2 else number + 1)
    return {
        "id": str(number),
        "code": code,
        "tests": [{"kind": "stdio", "stdin": "", "stdout": expected}],
    }


def _kill_one_sandbox(service: Service) -> int:
    """SIGKILL the kernel process of one of the service's sandboxes; how many that were."""
    for stat in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = stat.read_bytes()
            if b"runsc" in command and b"boot" in command and _belongs(stat.parent, service):
                os.kill(int(stat.parent.name), signal.SIGKILL)
                return 1
    return 0


def _belongs(process: Path, service: Service) -> bool:
    while process.name not in ("0", "1"):
        if process.name == str(service.process.pid):
            return True
        parent = (process / "stat").read_text().rsplit(")", 1)[1].split()[1]
        process = process.parent / parent
    return False
