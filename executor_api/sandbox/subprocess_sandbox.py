"""A sandbox that is a child process of the service: its pipes are the byte stream."""

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from executor_api.sandbox.runtime import SandboxDied

_TAIL_BYTES = 4096
_READ_AHEAD = 1 << 20
_GRACE_SECONDS = 0.3
_KILL_SECONDS = 5.0


async def spawn(
    sandbox_id: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    clean_up: Callable[[], Awaitable[None]],
    kill: Callable[[], Awaitable[None]] | None = None,
    core: int | None = None,
) -> "SubprocessSandbox":
    """Start ``argv`` as a sandbox; ``clean_up`` runs once, after it has ended. ``kill`` is a better
    way to end it than SIGKILL, tried before that. It keeps to ``core``, where given and util-linux
    is there.

    Its three streams are pipes: gVisor keeps an offset of its own in a file, and a program in the
    sandbox can reopen a file, but not a pipe of root's, through ``/proc/1/fd``.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *_kept_to(core),
            *_tied_to_us(argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            limit=_READ_AHEAD,
            start_new_session=True,
        )
    except OSError as error:
        await clean_up()
        raise SandboxDied(f"cannot start {argv[0]!r}: {error}") from error
    return SubprocessSandbox(sandbox_id, process, clean_up, kill)


def _kept_to(core: int | None) -> list[str]:
    """On one core, and so that waking another thread does not give that core away at once.

    gVisor's kernel wakes a helper to change a program's address space, and then waits for it. A
    helper that takes the core at that very moment is done before anyone waits, and calls futex(2)
    until its time slice is over: 85,000 times a program, more than half of what one costs.
    """
    if core is None:
        return []
    return [*_available("taskset", "-c", str(core)), *_available("chrt", "--batch", "0")]


@functools.cache
def _available(*prefix: str) -> tuple[str, ...]:
    """``prefix``, or nothing where it cannot run a command."""
    tool = shutil.which(prefix[0])
    if tool is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        return ()
    return (tool, *prefix[1:])


def _tied_to_us(argv: Sequence[str]) -> list[str]:
    """The command, killed by the kernel when the service dies without stopping it.

    Where util-linux is missing, the end of its standard input still tells the supervisor to exit.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else list(argv)


class SubprocessSandbox:
    """See ``runtime.Sandbox``."""

    def __init__(
        self,
        sandbox_id: str,
        process: asyncio.subprocess.Process,
        clean_up: Callable[[], Awaitable[None]],
        kill: Callable[[], Awaitable[None]] | None,
    ) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.id = sandbox_id
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._clean_up = clean_up
        self._kill = kill
        self._last_words = b""
        self._listener = asyncio.create_task(self._listen(process.stderr))
        self._ending: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    async def send(self, data: bytes) -> None:
        try:
            self._stdin.write(data)
            await self._stdin.drain()
        except (OSError, RuntimeError) as error:  # RuntimeError: the transport is closed
            raise SandboxDied(f"sandbox {self.id}: {await self.why_dead()}") from error

    async def receive(self, count: int) -> bytes:
        try:
            return await self._stdout.readexactly(count)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise SandboxDied(f"sandbox {self.id}: {await self.why_dead()}") from error

    async def stop(self) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def why_dead(self) -> str:
        with contextlib.suppress(TimeoutError):  # both come a moment after the end of the stream
            async with asyncio.timeout(1.0):
                await self._process.wait()
                await asyncio.wait([self._listener])
        words = self._last_words.decode(errors="replace").strip().replace("\n", " | ")
        return f"{_describe(self._process.returncode)}; stderr: {words or 'empty'}"

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        while chunk := await stderr.read(_TAIL_BYTES):
            self._last_words = (self._last_words + chunk)[-_TAIL_BYTES:]

    async def _end(self) -> None:
        self._stdin.close()  # the supervisor exits
        if not await self._ended(_GRACE_SECONDS) and self._kill is not None:
            await self._kill()
            await self._ended(_KILL_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # the whole group, should any be left
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._ended(_KILL_SECONDS)
        self._listener.cancel()
        await asyncio.wait([self._listener], timeout=1.0)
        await self._clean_up()

    async def _ended(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), seconds)
        return self._process.returncode is not None


def _describe(status: int | None) -> str:
    if status is None:
        return "still running"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
