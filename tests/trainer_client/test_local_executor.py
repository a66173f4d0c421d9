"""The executor that a run starts for itself: it is ready, and it never outlives the run."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service import KEY, running_service
from trainer_client import local_executor
from trainer_client.config import ExecutorConfig
from trainer_client.local_executor import (
    ExecutorNotReady,
    check_given,
    check_started,
    running_executor,
)
from trainer_client.training.watched import Watched

CONFIG = ExecutorConfig(sandboxes=1)
GONE_SECONDS = 60
NOBODY = "http://127.0.0.1:1"


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


def test_of_given_addresses_one_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_executor, "ANSWER_SECONDS", 0)
    check_given(CONFIG)  # nothing to ask: it is started later
    with running_service("unsafe-process", "--sandboxes", "1") as service:
        monkeypatch.setenv("CODERL_API_KEY", KEY)
        check_given(ExecutorConfig(url=[NOBODY, service.url]))
        monkeypatch.setenv("CODERL_API_KEY", "another")
        with pytest.raises(ExecutorNotReady, match=f"url is '{service.url}': .*401.*api_key"):
            check_given(ExecutorConfig(url=[service.url]))


def test_a_given_address_that_nobody_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_executor, "ANSWER_SECONDS", 0)
    with pytest.raises(ExecutorNotReady, match=f"executor.url is '{NOBODY}': .*attempts failed"):
        check_given(ExecutorConfig(url=[NOBODY]))


async def test_calls_end_at_once_when_the_executor_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging:
        async def execute(self, programs: Any, **options: Any) -> Any:
            started[0].kill()
            await asyncio.sleep(600)

        trace = execute

    script = "import time; print(' ready at http://h:1', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", script]
    monkeypatch.setattr(local_executor, "_command", lambda config: command)
    with running_executor(CONFIG, tmp_path / "log") as urls:
        started = local_executor._STARTED[urls[0]]
        check_started([*urls, "http://another:1"])
        with pytest.raises(ExecutorNotReady, match=r"ended with status -9: ready at http"):
            await Watched(Hanging(), urls).execute([], return_exceptions=True)
        with pytest.raises(ExecutorNotReady):
            await Watched(Hanging(), urls).trace([], return_exceptions=True)
    check_started(urls)
