"""The executor that a run starts for itself: it is ready, and it never outlives the run."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from trainer_client.config import ExecutorConfig
from trainer_client.local_executor import ExecutorNotReady, running_executor

CONFIG = ExecutorConfig(sandboxes=1)
GONE_SECONDS = 60


@pytest.mark.gvisor
def test_it_answers_while_it_is_needed_and_no_longer(tmp_path: Path) -> None:
    with running_executor(CONFIG, tmp_path / "logs" / "executor.log") as (url,):
        version = httpx.get(f"{url}/version", timeout=30).json()
        assert version["runtime"] == "runsc"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/readyz", timeout=5)


@pytest.mark.gvisor
def test_it_ends_with_a_trainer_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from trainer_client.config import ExecutorConfig\n"
        "from trainer_client.local_executor import running_executor\n"
        "with running_executor(ExecutorConfig(sandboxes=1), Path(sys.argv[1])) as (url,):\n"
        "    print(url, flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "executor.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        url = trainer.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        os.kill(trainer.pid, signal.SIGKILL)
    give_up = time.monotonic() + GONE_SECONDS
    while time.monotonic() < give_up:
        try:
            httpx.get(f"{url}/readyz", timeout=5)
        except httpx.TransportError:
            return
        time.sleep(0.2)
    pytest.fail("the executor outlived the trainer")


def test_addresses_of_the_recipe_are_taken_as_they_are(tmp_path: Path) -> None:
    config = ExecutorConfig(url=["http://a:1", "http://b:2"])
    with running_executor(config, tmp_path / "log") as urls:
        assert urls == ["http://a:1", "http://b:2"]
    assert not (tmp_path / "log").exists()


def test_one_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODERL_RUNSC", str(tmp_path / "no-such-runsc"))
    log = tmp_path / "executor.log"
    with (
        pytest.raises(ExecutorNotReady, match=r"ended with status \d+: .*executor\.log"),
        running_executor(CONFIG, log),
    ):
        pass
