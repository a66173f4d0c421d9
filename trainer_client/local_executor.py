"""An executor of one's own for the length of a run: ``coderl serve`` as a subprocess."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trainer_client.client import ConnectionFailed, ExecutorError, SyncExecutorClient
from trainer_client.config import ExecutorConfig

__all__ = ["ExecutorNotReady", "check_given", "check_started", "running_executor"]

STOP_SECONDS = 45.0
POLL_SECONDS = 0.2
ANSWER_SECONDS = 15.0
"""How long a given executor may take till it is ready: it may have been started just now."""


class ExecutorNotReady(RuntimeError):
    """There is no executor: it did not start, it has ended, or nobody answers at its address."""


def check_given(config: ExecutorConfig) -> None:
    """Of the addresses that the recipe gives, one has to answer, our key and our contract.
    Raises ``ExecutorNotReady``."""
    if config.url == "auto":
        return
    # Each of them may be the one that does not answer.
    attempts = len(config.url)
    with SyncExecutorClient(config.url, config.api_key, connection_attempts=attempts) as client:
        ready = client.ready(wait_seconds=ANSWER_SECONDS)
        try:
            client.version()
        except ConnectionFailed as error:
            raise ExecutorNotReady(
                f"executor.url is {_listed(config.url)}: {error}; start one there with `coderl "
                "serve`, or mend the address"
            ) from None
        except ExecutorError as error:
            raise ExecutorNotReady(f"executor.url is {_listed(config.url)}: {error}") from None
    if not ready:
        raise ExecutorNotReady(
            f"executor.url is {_listed(config.url)}: not ready within {ANSWER_SECONDS:g} s; look "
            "at its log, or start another one with `coderl serve`"
        )


def _listed(urls: Sequence[str]) -> str:
    return ", ".join(map(repr, urls))


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
    url = None
    try:
        url = _wait_ready(process, config, log, before)
        _STARTED[url] = (process, log)
        yield [url]
    finally:
        _STARTED.pop(url, None)
        _stop(process)


_STARTED: dict[str | None, tuple[subprocess.Popen[bytes], Path]] = {}
"""The executors of this process, by address, with their logs."""


def check_started(urls: Sequence[str]) -> None:
    """Raises ``ExecutorNotReady`` where one of these was started here and has ended."""
    for process, log in (_STARTED[url] for url in urls if url in _STARTED):
        if process.poll() is not None:
            raise _ended(process, log)


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
            raise _ended(process, log)
        if said := _READY.search(log.read_bytes()[before:]):
            return said[1].decode()
        time.sleep(POLL_SECONDS)
    raise ExecutorNotReady(
        f"the executor was not ready within executor.start_seconds = {config.start_seconds:g}: "
        f"{_last_words(log)}"
    )


def _ended(process: subprocess.Popen[bytes], log: Path) -> ExecutorNotReady:
    return ExecutorNotReady(
        f"the executor ended with status {process.returncode}: {_last_words(log)}"
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
