"""Plain runc in gVisor's place: a runtime for comparing, under the tests only.

``RuncRuntime`` runs the bundle that ``executor_api.sandbox.bundle`` writes for gVisor, with the
guest's files, mounts, limits and capabilities as they are there. The differences are

* a tmpfs on ``/dev``, in which runc makes the usual devices: it would make them in the root that
  all sandboxes share, and gVisor brings its own;
* the cgroup's path has runc's form.

It is no boundary for hostile programs: they would talk to this machine's kernel.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from executor_api.sandbox import bundle, commands
from executor_api.sandbox.bundle import Sizes
from executor_api.sandbox.runtime import RuntimeInfo, RuntimeUnavailable, SandboxDied
from executor_api.sandbox.subprocess_sandbox import SubprocessSandbox, spawn
from executor_api.sandbox.view import Interpreter, View, view_of
from executor_api.wire import RuntimeName

_PROBE = "import sys; sys.stdout.write(open('/proc/version').readline()); sys.stdout.flush()"
_DEVICES = {
    "destination": "/dev",
    "type": "tmpfs",
    "source": "tmpfs",
    "options": ["nosuid", "strictatime", "mode=755", "size=64k"],
}
_ALL_IDS = [{"containerID": 0, "hostID": 0, "size": 65536}]


class RuncRuntime:
    """See ``executor_api.sandbox.runtime.Runtime``. Its results say ``unsafe-process``: the
    contract has no name for it."""

    name: RuntimeName = "unsafe-process"

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="coderl-runc-"))
        self._view: View | None = None
        self._live: set[SubprocessSandbox] = set()

    async def verify(self) -> RuntimeInfo:
        """A sandbox starts, and the kernel in it is this machine's: gVisor has no part in it."""
        if shutil.which("runc") is None:
            raise RuntimeUnavailable("no runc on PATH: install the package runc")
        if os.geteuid() != 0:
            raise RuntimeUnavailable("runc needs root here, for the uids of programs")
        version = (await commands.output_of("runc", "--version")).split("\n")[0]
        sandbox = await self._start(("-P", "-s", "-S", "-B", "-c", _PROBE))
        expected = Path("/proc/version").read_bytes()
        try:
            async with asyncio.timeout(commands.SECONDS):
                inside = await sandbox.receive(len(expected))
        except (SandboxDied, TimeoutError) as error:
            raise RuntimeUnavailable(f"runc cannot start a sandbox here: {error}") from error
        finally:
            await sandbox.stop()
        if inside != expected:
            raise RuntimeUnavailable(f"the kernel inside is not this machine's: {inside!r}")
        return RuntimeInfo(version=version)

    async def start(self) -> SubprocessSandbox:
        return await self._start(bundle.SUPERVISOR_ARGUMENTS)

    async def close(self) -> None:
        await asyncio.gather(*(sandbox.stop() for sandbox in tuple(self._live)))
        await asyncio.to_thread(shutil.rmtree, self._home, ignore_errors=True)

    async def _start(self, arguments: Sequence[str]) -> SubprocessSandbox:
        if self._view is None:
            self._view = self._prepared()
        sandbox_id = f"coderl-runc-{uuid4().hex[:16]}"
        directory = self._home / sandbox_id
        bundle.write_config(directory, self._config(self._view, sandbox_id, arguments))
        state = ("--root", str(self._home / "state"))
        sandbox: SubprocessSandbox | None = None

        async def kill() -> None:
            with contextlib.suppress(RuntimeUnavailable):  # it has ended meanwhile
                await commands.output_of("runc", *state, "kill", sandbox_id, "KILL")

        async def clean_up() -> None:
            with contextlib.suppress(RuntimeUnavailable):
                await commands.output_of("runc", *state, "delete", "--force", sandbox_id)
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
            if sandbox is not None:
                self._live.discard(sandbox)

        sandbox = await spawn(
            sandbox_id,
            ["runc", *state, "run", "--bundle", str(directory), sandbox_id],
            env={"PATH": os.environ.get("PATH", os.defpath)},
            cwd=directory,
            clean_up=clean_up,
            kill=kill,
        )
        self._live.add(sandbox)
        return sandbox

    def _prepared(self) -> View:
        view = view_of(Interpreter())
        bundle.write_root(self._home / "root", view)
        bundle.copy_guest(bundle.GUEST_SOURCE, self._home / "guest")
        return view

    def _config(self, view: View, sandbox_id: str, arguments: Sequence[str]) -> dict[str, Any]:
        config = bundle.config(
            root=self._home / "root",
            guest=self._home / "guest",
            view=view,
            sizes=Sizes(),
            arguments=arguments,
            cgroup=f"/{sandbox_id}",
        )
        config["mounts"].insert(1, _DEVICES)
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"] |= {"uidMappings": _ALL_IDS, "gidMappings": _ALL_IDS}
        return config
