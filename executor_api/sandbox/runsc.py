"""The embedded runtime: ``runsc run`` on a bundle the service writes itself. Needs neither Docker
nor an image, and no root where user namespaces are allowed: gVisor's kernel is then a process of
the service's own user, and still gives each program a uid of its own inside.

A service keeps what it has on disk under one directory of its own, which it holds locked while it
lives::

    /run/coderl/lock          held for the moment a service comes or sweeps up (not as root:
                              coderl-UID in $XDG_RUNTIME_DIR or the directory for temporary files)
    /run/coderl/4f1d.../lock  held by the living service
    ...                 state/    ``runsc --root``
    ...                 root/ guest/    what every sandbox mounts
    ...                 bundles/ID/config.json

A service killed outright leaves its directory behind; the next one to start removes it, together
with any sandbox in it. Such sandboxes end by themselves: the kernel kills ``runsc`` with its
parent, and ``runsc`` takes gVisor's kernel with it.
"""

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from uuid import uuid4

import structlog

from executor_api.languages import NAMES
from executor_api.sandbox import bundle, commands, state_dir
from executor_api.sandbox.bundle import Sizes
from executor_api.sandbox.debris import Debris
from executor_api.sandbox.runtime import RuntimeInfo, RuntimeUnavailable, SandboxDied
from executor_api.sandbox.subprocess_sandbox import SubprocessSandbox, spawn
from executor_api.sandbox.view import Interpreter, view_of
from executor_api.wire import RuntimeName

log = structlog.get_logger(__name__)

_KILL_SECONDS = 5.0
"""A kernel that hangs does not answer: it is then killed from outside."""
_PROBE_SECONDS = 60.0
_PROBE = """
import ctypes, sys
text = ctypes.create_string_buffer(65536)
count = ctypes.CDLL(None).klogctl(3, text, len(text))
sys.stdout.write(open("/proc/version").readline() + ascii(text.raw[:max(count, 0)]) + "\\n\\n")
sys.stdout.flush()
sys.stdin.read()
"""
_OTHERWISE = (
    "Other ways to run: --runtime docker (gVisor through a Docker daemon), or, for trusted "
    "programs only and without any isolation, --runtime unsafe-process"
)
_INSTALL = (
    "install gVisor: `make runsc`, or on Debian 12 `apt-get install -t bookworm-backports runsc`, "
    "elsewhere see https://gvisor.dev/docs/user_guide/install"
)


class RunscRuntime:
    """See ``runtime.Runtime``. Every sandbox is the same but for its name."""

    name: RuntimeName = "runsc"

    def __init__(
        self,
        *,
        runsc: str = "runsc",
        platform: str = "systrap",
        interpreter: Interpreter | None = None,
        languages: Collection[str] = NAMES,
        sizes: Sizes | None = None,
        guest: Path = bundle.GUEST_SOURCE,
        base: Path | None = None,
    ) -> None:
        self._runsc = runsc
        self._platform = platform
        self._interpreter, self._languages = interpreter or Interpreter(), languages
        self._sizes = sizes or Sizes()
        self._guest = guest
        self._as_root = os.geteuid() == 0
        self._base = base or _own_directory(self._as_root)
        self._home: state_dir.Home | None = None
        self._cgroups = self._as_root
        self._live: set[SubprocessSandbox] = set()
        self._on_core = dict.fromkeys(sorted(os.sched_getaffinity(0)), 0)
        """Core of ours → sandboxes that keep to it. On one core the two sides of a system call
        hand over without waking another: a sixth less time, a fifth less CPU."""
        self._preparing = asyncio.Lock()
        self._debris = Debris(self._remove)

    async def verify(self) -> RuntimeInfo:
        """The binary says it is runsc; it starts a sandbox; runsc reports that one running, its
        kernel being a process of that very binary; and inside there is gVisor's kernel."""
        version = await self._version()
        reason = f"this is uid {os.geteuid()}, not root"
        if self._cgroups:
            try:
                await self._probe()
                return RuntimeInfo(version=version)
            except SandboxDied as error:  # they may be read-only or absent, as in a container
                self._cgroups, reason = False, str(error)
        try:
            await self._probe()
        except SandboxDied as error:
            needs = "" if self._as_root else "Run it as root, or allow user namespaces. "
            raise RuntimeUnavailable(
                f"runsc cannot start a sandbox here ({error}). {needs}{_OTHERWISE}"
            ) from error
        log.warning(
            "no cgroup for sandboxes: their memory is unbounded on the host's side, "
            "and bounded only by each program's own limit",
            reason=reason,
        )
        return RuntimeInfo(version=version)

    async def start(self) -> SubprocessSandbox:
        return await self._start(bundle.SUPERVISOR_ARGUMENTS)

    async def close(self) -> None:
        await asyncio.gather(*(sandbox.stop() for sandbox in tuple(self._live)))
        await self._debris.close()
        if self._home is not None:
            home, self._home = self._home, None
            await asyncio.to_thread(home.remove)

    async def _version(self) -> str:
        if shutil.which(self._runsc) is None:
            raise RuntimeUnavailable(f"{self._runsc!r} is not on PATH; {_INSTALL}. {_OTHERWISE}")
        output = await self._command("--version")
        if not output.startswith("runsc version "):
            raise RuntimeUnavailable(
                f"{self._runsc!r} --version says {output[:80]!r}: not gVisor's runsc; {_INSTALL}. "
                f"{_OTHERWISE}"
            )
        return "runsc " + output.split()[2]

    async def _probe(self) -> None:
        sandbox = await self._start(("-P", "-s", "-S", "-B", "-c", _PROBE))
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                inside = await _until_blank_line(sandbox)
                state = json.loads(await self._command("--root", self._root, "state", sandbox.id))
            self._judge(inside, state)
        except TimeoutError:
            raise RuntimeUnavailable(
                f"a sandbox on platform {self._platform!r} did not answer within "
                f"{_PROBE_SECONDS:.0f} s; set the platform to systrap or ptrace. {_OTHERWISE}"
            ) from None
        finally:
            await sandbox.stop()

    def _judge(self, inside: str, state: dict[str, object]) -> None:
        kernel = Path(f"/proc/{state['pid']}/exe").resolve()
        binary = Path(shutil.which(self._runsc) or self._runsc).resolve()
        version, messages = inside.split("\n")[:2]
        reasons = {
            f"runsc reports it {state['status']!r}": state["status"] == "running",
            f"its kernel is a process of {kernel}, not of {binary}": kernel == binary,
            f"inside, /proc/version is the host's: {version!r}": version
            != Path("/proc/version").read_text().strip(),
            "inside, the kernel's log does not speak of gVisor": "gVisor" in messages,
        }
        if wrong := [reason for reason, good in reasons.items() if not good]:
            raise RuntimeUnavailable(f"the sandbox is not gVisor's: {'; '.join(wrong)}")

    async def _start(self, arguments: Sequence[str]) -> SubprocessSandbox:
        home = await self._prepared()
        sandbox_id = f"coderl-{uuid4().hex[:16]}"
        directory = home.bundles / sandbox_id
        config = bundle.config(
            root=home.root,
            guest=home.guest,
            view=home.view,
            sizes=self._sizes,
            arguments=arguments,
            cgroup=f"/{sandbox_id}" if self._cgroups else None,
        )
        try:
            bundle.write_config(directory, config)
        except OSError:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        sandbox: SubprocessSandbox | None = None
        core = min(self._on_core, key=self._on_core.__getitem__)
        self._on_core[core] += 1

        async def kill() -> None:
            # `runsc run` then ends by itself, having reaped gVisor's kernel. Were it killed, that
            # would be left to the machine's init, which may take seconds.
            with contextlib.suppress(RuntimeUnavailable):  # too early: it is not there yet
                kill_it = ("--root", self._root, "kill", sandbox_id, "KILL")
                await self._command(*kill_it, seconds=_KILL_SECONDS)

        async def clean_up() -> None:
            await self._debris.remove(sandbox_id)
            self._on_core[core] -= 1
            if sandbox is not None:
                self._live.discard(sandbox)

        command = [self._runsc, *self._flags(), "run", "-bundle", str(directory), sandbox_id]
        env = {"PATH": os.environ.get("PATH", os.defpath)}
        sandbox = await spawn(
            sandbox_id, command, env=env, cwd=directory, clean_up=clean_up, kill=kill, core=core
        )
        self._live.add(sandbox)
        return sandbox

    async def _remove(self, sandbox_id: str) -> bool:
        """Remove all traces of a sandbox that has ended; whether that could be done."""
        try:
            await self._command("--root", self._root, "delete", "-force", sandbox_id)
            await asyncio.to_thread(self._prepared_home.forget, sandbox_id)
        except (RuntimeUnavailable, OSError, RuntimeError, MemoryError) as error:
            log.warning("sandbox not deleted", sandbox=sandbox_id, reason=str(error))
            return False
        return True

    async def _prepared(self) -> state_dir.Home:
        async with self._preparing:
            if self._home is None:
                self._home = await asyncio.to_thread(self._claim)
        return self._home

    def _claim(self) -> state_dir.Home:
        view = view_of(self._interpreter, self._languages)
        return state_dir.Home.claim(self._base, self._runsc, view, self._guest)

    @property
    def _prepared_home(self) -> state_dir.Home:
        assert self._home is not None
        return self._home

    @property
    def _root(self) -> str:
        return str(self._prepared_home.state)

    def _flags(self) -> list[str]:
        flags = [
            f"--root={self._root}",
            f"--platform={self._platform}",
            "--network=none",
            "--overlay2=none",  # the root is read-only: there is nothing to overlay
            "--file-access-mounts=exclusive",  # nor does anyone change it while we run
        ]
        if not self._cgroups:
            flags.append("--ignore-cgroups")
        return flags if self._as_root else [*flags, "--rootless"]

    async def _command(self, *arguments: str, seconds: float = commands.SECONDS) -> str:
        return await commands.output_of(self._runsc, *arguments, seconds=seconds)


def _own_directory(as_root: bool) -> Path:
    if as_root:
        return Path("/run/coderl")
    parent = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(parent) / f"coderl-{os.geteuid()}"


async def _until_blank_line(sandbox: SubprocessSandbox) -> str:
    text = b""
    while not text.endswith(b"\n\n"):
        text += await sandbox.receive(1)
    return text.decode()
