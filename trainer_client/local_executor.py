"""An executor of one's own for the length of a run: ``coderl serve`` as a subprocess."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer_client.config import ExecutorConfig

__all__ = ["ExecutorNotReady", "running_executor"]

STOP_SECONDS = 45.0
POLL_SECONDS = 0.2


class ExecutorNotReady(RuntimeError):
    """The executor did not start, or ended before it was ready."""


@contextmanager
def running_executor(config: ExecutorConfig, log: Path) -> Iterator[list[str]]:
    """The base URLs of the executor: those of the recipe, or one started here and stopped at the
    end. Its output goes to ``log``.

    Raises ``ExecutorNotReady`` where it is not ready within ``start_seconds``.
    """
    if config.url != "auto":
        yield config.url
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    before = log.stat().st_size if log.is_file() else 0
    with log.open("ab") as output:
        # Its own session: Ctrl-C is for the trainer, which still needs the executor to finish.
        # A trainer that is killed cannot stop it: then the kernel does.
        process = subprocess.Popen(
            _command(config),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent if _LIBC else None,
            env=_loopback_environment(),
        )
    try:
        yield [_wait_ready(process, config, log, before)]
    finally:
        _stop(process)


_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """Runs between fork and exec, so it only makes a system call through what is loaded."""
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _command(config: ExecutorConfig) -> list[str]:
    command = [sys.executable, "-m", "coderl", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--runtime", config.runtime]
    if config.sandboxes is not None:
        command += ["--sandboxes", str(config.sandboxes)]
    return command


def _loopback_environment() -> dict[str, str]:
    """Ours without API keys: it listens on loopback, for this run only."""
    return {k: v for k, v in os.environ.items() if not k.startswith("CODERL_API_KEY")}


_READY = re.compile(rb" ready at (http\S+)")


def _wait_ready(
    process: subprocess.Popen[bytes], config: ExecutorConfig, log: Path, before: int
) -> str:
    """The address that it prints once it is ready; what the log held ``before`` is of old runs."""
    give_up = time.monotonic() + config.start_seconds
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise ExecutorNotReady(
                f"the executor ended with status {process.returncode}: {_last_words(log)}"
            )
        if said := _READY.search(log.read_bytes()[before:]):
            return said[1].decode()
        time.sleep(POLL_SECONDS)
    raise ExecutorNotReady(
        f"the executor was not ready within executor.start_seconds = {config.start_seconds:g}: "
        f"{_last_words(log)}"
    )


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"{lines[-1] if lines else 'it said nothing'} (see {log})"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
