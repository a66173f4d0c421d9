"""The Docker runtime: sandboxes as containers of the daemon at ``DOCKER_HOST``, under its runtime
``runsc``.

Containers are addressed by name only, a prefix and a number below a maximum: so a gate may check
the name, and Docker, where a name is taken once, keeps the maximum. The SDK blocks: its calls run
in threads; the attached stream runs on the event loop.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import docker
import docker.errors
import requests
import structlog

from executor_api.sandbox.debris import Debris
from executor_api.sandbox.docker_spec import (
    DEFAULT_IMAGE,
    DEFAULT_PREFIX,
    create_body,
    left_over,
)
from executor_api.sandbox.docker_stream import Streams, attach, knock, read_piece
from executor_api.sandbox.link import Link
from executor_api.sandbox.runtime import RuntimeInfo, RuntimeUnavailable, Sandbox, SandboxDied
from executor_api.wire import ExecuteLimits, RuntimeName

log = structlog.get_logger(__name__)

_CALL_SECONDS = 60
_TAIL_BYTES = 4096
_LEFT_OVER_SECONDS = 300
_TAKEN = 409
_ERRORS = (docker.errors.DockerException, requests.RequestException)

_PROBE = """
import ctypes
text = ctypes.create_string_buffer(65536)
count = ctypes.CDLL(None).klogctl(3, text, len(text))
print(open("/proc/version").readline() + ascii(text.raw[:max(count, 0)]))
"""
_OTHERWISE = "Or run the service itself as root with --runtime runsc, which needs no Docker"
_NO_RUNSC = (
    "Register the runtime 'runsc' in /etc/docker/daemon.json (`make docker` does) and restart the "
    "daemon"
)


class DockerRuntime:
    """See ``runtime.Runtime``. Every sandbox is the same but for its name."""

    name: RuntimeName = "docker"

    def __init__(
        self, *, image: str = DEFAULT_IMAGE, prefix: str = DEFAULT_PREFIX, at_most: int = 4096
    ) -> None:
        self._image = image
        self._prefix, self._at_most = prefix, at_most
        self._names: set[str] = set()
        """Given to containers that may still be there."""
        self._number = 0
        self._body = create_body(image)
        self._client: docker.APIClient | None = None
        self._starting: set[asyncio.Task[DockerSandbox]] = set()
        self._live: set[DockerSandbox] = set()
        self._debris = Debris(self._remove)

    async def verify(self) -> RuntimeInfo:
        """The daemon has a runtime ``runsc`` and the image; it reports a sandbox's runtime to be
        that; and inside there is gVisor's kernel."""
        version = await self._daemon_version()
        await self._sweep()
        sandbox = await self._first_sandbox()
        try:
            runtime = (await sandbox.inspect())["HostConfig"]["Runtime"]
            if runtime != "runsc":
                raise RuntimeUnavailable(f"Docker started a sandbox under {runtime!r}, not runsc")
            await _prove_gvisor(sandbox)
        except SandboxDied as error:
            raise RuntimeUnavailable(f"a sandbox under Docker does not answer: {error}") from error
        finally:
            await sandbox.stop()
        return RuntimeInfo(version=f"docker {version} with runsc")

    async def start(self) -> "DockerSandbox":
        """A call in a thread cannot be broken off: who is cancelled leaves a start that goes on,
        and whose sandbox ``close`` stops."""
        starting = asyncio.create_task(self._start())
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        return await asyncio.shield(starting)

    async def _start(self) -> "DockerSandbox":
        try:
            api = await asyncio.to_thread(self._api)
            name = await self._create(api)
        except _ERRORS as error:
            raise SandboxDied(f"Docker cannot create a sandbox: {error}") from error
        try:
            streams = await attach(name, api.api_version)
        except (OSError, asyncio.IncompleteReadError, SandboxDied) as error:
            await self._debris.remove(name)
            raise SandboxDied(f"cannot attach to a sandbox: {error}") from error
        sandbox = DockerSandbox(name, api, streams, self._forget)
        try:
            await asyncio.to_thread(api.start, name)
        except _ERRORS as error:
            await sandbox.stop()
            raise SandboxDied(f"Docker cannot start a sandbox: {error}") from error
        self._live.add(sandbox)
        return sandbox

    async def _create(self, api: docker.APIClient) -> str:
        """Create a container under a name that is free, and return the name."""
        for _ in range(self._at_most):
            name = f"{self._prefix}{self._number}"
            self._number = (self._number + 1) % self._at_most
            if name in self._names:
                continue
            self._names.add(name)
            try:
                await asyncio.to_thread(api.create_container_from_config, self._body, name)
            except BaseException as error:
                self._names.discard(name)
                if getattr(error, "status_code", None) != _TAKEN:
                    raise
            else:
                return name
        raise SandboxDied(
            f"all {self._at_most} names {self._prefix}NUMBER are taken: remove such containers "
            "(docker rm --force) or raise CODERL_DOCKER_AT_MOST"
        )

    async def close(self) -> None:
        await asyncio.gather(*self._starting, return_exceptions=True)
        await asyncio.gather(*(sandbox.stop() for sandbox in tuple(self._live)))
        await self._debris.close()
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _forget(self, sandbox: "DockerSandbox") -> None:
        await self._debris.remove(sandbox.id)
        self._live.discard(sandbox)

    async def _remove(self, name: str) -> bool:
        """Remove a container, running or not; it need not exist. Whether that could be done."""
        try:
            await asyncio.to_thread(self._api().remove_container, name, force=True)
        except docker.errors.NotFound:
            pass
        except _ERRORS as error:
            log.warning("sandbox not removed", sandbox=name, reason=str(error))
            return False
        self._names.discard(name)
        return True

    def _api(self) -> docker.APIClient:
        if self._client is None:
            self._client = docker.from_env(version="auto", timeout=_CALL_SECONDS).api
        return self._client

    async def _daemon_version(self) -> str:
        """Raise ``RuntimeUnavailable`` where daemon or image is missing."""
        try:
            await knock()
            api = await asyncio.to_thread(self._api)
            version = await asyncio.to_thread(api.version)
            await asyncio.to_thread(api.inspect_image, self._image)
        except docker.errors.ImageNotFound:
            raise RuntimeUnavailable(
                f"Docker has no image {self._image!r}: build it with "
                f"`docker build -t {self._image} -f services/sandbox/Dockerfile .`"
            ) from None
        except (*_ERRORS, OSError) as error:
            raise RuntimeUnavailable(
                f"no Docker daemon answers ({error}): start one (`make docker`) or set "
                f"DOCKER_HOST. {_OTHERWISE}"
            ) from error
        return str(version["Version"])

    async def _first_sandbox(self) -> "DockerSandbox":
        try:
            return await self.start()
        except SandboxDied as error:
            remedy = _NO_RUNSC if re.search("(?i)unknown.*runtime", str(error)) else _OTHERWISE
            raise RuntimeUnavailable(f"{error}. {remedy}") from error

    async def _sweep(self) -> None:
        """Remove what dead services left. Their sandboxes have ended: nobody holds their input."""
        api = self._api()
        try:
            found = await asyncio.to_thread(
                api.containers, all=True, filters=left_over(self._prefix)
            )
        except _ERRORS as error:
            log.warning("cannot look for left-over sandboxes", reason=str(error))
            return
        for container in found:
            if time.time() - container["Created"] > _LEFT_OVER_SECONDS:
                await self._remove(container["Names"][0].removeprefix("/"))


class DockerSandbox:
    """See ``runtime.Sandbox``."""

    def __init__(
        self,
        name: str,
        api: docker.APIClient,
        streams: Streams,
        forget: Callable[["DockerSandbox"], Awaitable[None]],
    ) -> None:
        self.id = name
        self._api = api
        self._reader, self._writer = streams
        self._forget = forget
        self._output = bytearray()
        self._last_words = b""
        self._ending: asyncio.Task[None] | None = None

    async def send(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:  # RuntimeError: the transport is closed
            raise SandboxDied(f"sandbox {self.id}: {await self.why_dead()}") from error

    async def receive(self, count: int) -> bytes:
        try:
            while len(self._output) < count:
                is_output, piece = await read_piece(self._reader)
                if is_output:
                    self._output += piece
                else:
                    self._last_words = (self._last_words + piece)[-_TAIL_BYTES:]
        except (asyncio.IncompleteReadError, OSError) as error:
            raise SandboxDied(f"sandbox {self.id}: {await self.why_dead()}") from error
        taken = bytes(self._output[:count])
        del self._output[:count]
        return taken

    async def stop(self) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def why_dead(self) -> str:
        words = self._last_words.decode(errors="replace").strip().replace("\n", " | ")
        try:
            state = (await self.inspect())["State"]
        except SandboxDied as error:
            return f"{error}; stderr: {words or 'empty'}"
        killed = ", out of memory" if state["OOMKilled"] else ""
        status = f"{state['Status']}, exit status {state['ExitCode']}{killed}"
        return f"{status}; stderr: {words or 'empty'}"

    async def inspect(self) -> dict[str, Any]:
        """What the daemon says of the container."""
        try:
            said = await asyncio.to_thread(self._api.inspect_container, self.id)
        except _ERRORS as error:
            raise SandboxDied(f"the container is gone ({error})") from error
        return cast(dict[str, Any], said)

    async def _end(self) -> None:
        self._writer.close()
        await self._forget(self)
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def _prove_gvisor(sandbox: Sandbox) -> None:
    link = Link(sandbox)
    await link.ready()
    test = {"kind": "stdio", "stdin": ""}
    (seen,) = await link.run(
        _PROBE, [test], ExecuteLimits(), isolation="sandbox", program_seconds=30
    )
    if "gVisor" not in seen.stdout:
        raise RuntimeUnavailable(
            "inside a sandbox, the kernel's log does not speak of gVisor: the daemon's runtime "
            f"'runsc' is something else (it said {seen.stdout[:200]!r} {seen.stderr[:200]!r})"
        )
