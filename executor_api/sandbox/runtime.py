"""The runtime interface: start a sandbox, talk to it, stop it, learn why it died."""

from dataclasses import dataclass
from typing import Protocol

from executor_api.wire import RuntimeName


class RuntimeUnavailable(Exception):
    """The runtime cannot be used, or is not what it claims to be. The message names the remedy."""


class SandboxDied(Exception):
    """A sandbox ended, hung, or answered what no guest of ours says. Ours, never the program's."""


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    """What ``verify`` learned from outside."""

    version: str
    """For example ``runsc 20240729.0``."""


class Sandbox(Protocol):
    """A started sandbox as a duplex byte stream. Used by one task at a time."""

    id: str

    async def send(self, data: bytes) -> None:
        """Write all of ``data``; raise ``SandboxDied`` when the sandbox is gone."""

    async def receive(self, count: int) -> bytes:
        """Read exactly ``count`` bytes; raise ``SandboxDied`` at the end of the stream."""

    async def stop(self) -> None:
        """End it and remove all traces. Idempotent, shielded from cancellation, bounded in time."""

    async def why_dead(self) -> str:
        """One line for the log: exit status, last words on standard error."""


class Runtime(Protocol):
    name: RuntimeName

    async def verify(self) -> RuntimeInfo:
        """Prove from outside that sandboxes will be gVisor's; raise ``RuntimeUnavailable``."""

    async def start(self) -> Sandbox:
        """Start a sandbox with the guest supervisor in it; raise ``SandboxDied`` on failure."""

    async def close(self) -> None:
        """Remove what the runtime keeps beside its sandboxes."""
