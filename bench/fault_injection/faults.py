"""The faults: where each is staged, how it is injected once, and when it is over."""

import asyncio
import contextlib
import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.fault_injection.asking import Load
from bench.fault_injection.instance import DockerInstance, Instance, Sandbox, until
from tests.trainer_client.unreliable_proxy import (
    CONNECTION_FAULTS,
    HANG,
    PROTOCOL_FAULTS,
    UnreliableProxy,
    unreliable,
)
from tests.trainer_client.unreliable_proxy import Fault as Spoiled

LOOK_SECONDS = 0.1
HELD_SECONDS = 2.0
"""How long a resource stays exhausted."""
IDLE_SECONDS = 0.5
DRAIN_SECONDS = 3
SMALL_DISK = "8m"
DOCKER_PID = Path("/var/run/docker.pid")
START_DOCKER = Path(__file__).parents[2] / "scripts/start-docker.sh"
CORRUPTION = Path(__file__).with_name("corruption.py")


@dataclass
class Stage:
    """Running services, and what clients ask of them."""

    instances: list[Instance]
    chance: random.Random
    quick: bool
    load: Load
    proxies: list[UnreliableProxy] = field(default_factory=list)
    injected: int = 0
    gone: set[str] = field(default_factory=set)
    """Sandboxes that the service must have replaced."""

    @property
    def service(self) -> Instance:
        return self.instances[0]

    async def whole(self) -> bool:
        gone = frozenset(self.gone)
        return all([await instance.whole(gone) for instance in self.instances])

    async def recovered(self) -> None:
        """Return when the services are what they were, and have answered."""
        answered = self.load.tally.programs
        while True:
            if self.load.tally.programs > answered and await self.whole():
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def victim(self) -> Sandbox:
        """A sandbox that is to come to harm."""
        await until(lambda: bool(self.service.list_sandboxes()))
        sandbox = self.chance.choice(self.service.list_sandboxes())
        self.gone.add(sandbox.id)
        return sandbox


StageName = Literal[
    "service",
    "four sandboxes",
    "pair",
    "workers",
    "small disk",
    "docker",
    "bad lines",
    "bad network",
]
Inject = Callable[[Stage], Awaitable[float]]
"""One injection; returns the moment from which recovery counts."""


@dataclass(frozen=True)
class Fault:
    name: str
    inject: Inject
    stage: StageName = "service"
    quick: bool = True
    """The service recovers within some seconds."""
    times: int = 1
    """Injections in a round."""


# --- stages -----------------------------------------------------------------------------


@asynccontextmanager
async def staged(
    fault: Fault, home: Path, seed: int, quick: bool, clients: int
) -> AsyncIterator[Stage]:
    """The services of a fault's stage, ready; they are ended, if they still run."""
    async with AsyncExitStack() as stack:
        instances = _instances(fault, home, seed, quick)
        for instance in instances:
            stack.push_async_callback(instance.close)
        if fault.stage == "small disk":
            stack.enter_context(_small_disk(home / "0"))
        for instance in instances:
            stack.push_async_callback(instance.stop)
            await instance.start()
        bad = instances if fault.stage == "bad network" else []
        proxies = [await stack.enter_async_context(unreliable(item.url)) for item in bad]
        load = Load([item.url for item in proxies or instances], clients, seed)
        yield Stage(instances, random.Random(seed), quick, load, proxies)


def _instances(fault: Fault, home: Path, seed: int, quick: bool) -> list[Instance]:
    if fault.stage in ("pair", "bad network"):
        drain = {"CODERL_DRAIN_SECONDS": str(DRAIN_SECONDS)}
        return [Instance(home / str(n), sandboxes=1, environment=drain) for n in range(2)]
    if fault.stage == "four sandboxes":
        return [Instance(home / "0", sandboxes=4)]
    if fault.stage == "docker":
        return [DockerInstance(home / "0", options=("--runtime", "docker"))]
    if fault.stage == "workers":
        return [Instance(home / "0", options=("--workers", "2"))]
    if fault.stage == "bad lines":
        options = ("--seed", str(seed), *(["--quick"] if quick else []))
        return [Instance(home / "0", command=(str(CORRUPTION),), options=options)]
    return [Instance(home / "0")]


@contextlib.contextmanager
def _small_disk(home: Path) -> Iterator[None]:
    mount = ("mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(home))
    subprocess.run(mount, check=True)
    try:
        for name in ("run", "tmp"):
            (home / name).mkdir()
        yield
    finally:
        subprocess.run(("umount", "--lazy", str(home)), check=True)


# --- on a sandbox -----------------------------------------------------------------------


async def kill_runsc(stage: Stage) -> float:
    _kill((await stage.victim()).runsc)
    return time.monotonic()


async def kill_kernel(stage: Stage) -> float:
    _kill((await stage.victim()).kernel)
    return time.monotonic()


async def kill_stub(stage: Stage) -> float:
    """One of the processes in which gVisor runs the sandbox's code. What the kernel makes of it
    is its own affair: it need not die."""
    sandbox = await stage.victim()
    if sandbox.stubs:
        _kill(stage.chance.choice(sandbox.stubs))
    stage.gone.discard(sandbox.id)
    return time.monotonic()


async def kill_all(stage: Stage) -> float:
    for sandbox in stage.service.list_sandboxes():
        stage.gone.add(sandbox.id)
        _kill(sandbox.kernel)
    return time.monotonic()


async def kill_all_idle(stage: Stage) -> float:
    """All sandboxes have died before a program comes, and it comes alone."""
    async with stage.load.paused():
        began = await kill_all(stage)
        await asyncio.sleep(IDLE_SECONDS)
        await stage.load.ask_one()
    return began


async def kill_supervisor(stage: Stage) -> float:
    await stage.service.signal_first_process(await stage.victim(), "KILL")
    return time.monotonic()


async def babbling_supervisor(stage: Stage) -> float:
    """Process 1 says what no supervisor says."""
    await _inside_one(stage, "echo 'Fatal error' > /proc/1/fd/5")
    return time.monotonic()


async def stop_supervisor(stage: Stage) -> float:
    began = time.monotonic()
    await _noticed(stage, await _inside_one(stage, "kill -STOP 1"))
    return began


async def _inside_one(stage: Stage, command: str) -> Sandbox:
    """Run ``command`` in a sandbox; in another where that one is just being replaced."""
    while not await stage.service.inside(sandbox := await stage.victim(), command):
        stage.gone.discard(sandbox.id)
    return sandbox


async def stop_kernel(stage: Stage) -> float:
    began = time.monotonic()
    sandbox = await stage.victim()
    with contextlib.suppress(ProcessLookupError):
        os.kill(sandbox.kernel, signal.SIGSTOP)
    await _noticed(stage, sandbox)
    return began


async def _noticed(stage: Stage, sandbox: Sandbox) -> None:
    await until(lambda: sandbox.id not in stage.service.sandbox_names())


async def starve_sandbox(stage: Stage) -> float:
    """The host's limit on a sandbox's memory falls to what it holds: the next fork is too much."""
    sandbox = await stage.victim()
    limited = _limit_memory(sandbox.id)
    if not limited:
        stage.gone.discard(sandbox.id)
    else:
        await _noticed(stage, sandbox)
    return time.monotonic()


def _limit_memory(name: str) -> bool:
    root = Path("/sys/fs/cgroup")
    for group, used, limit in (
        (root / "memory" / name, "memory.usage_in_bytes", "memory.limit_in_bytes"),
        (root / name, "memory.current", "memory.max"),
    ):
        with contextlib.suppress(OSError):
            (group / limit).write_text(str(int((group / used).read_text()) + (1 << 20)))
            return True
    return False


# --- on the service ---------------------------------------------------------------------


async def kill_service(stage: Stage) -> float:
    instance = stage.instances[stage.injected % 2]
    began = time.monotonic()
    instance.kill()
    await asyncio.sleep(0.5)
    await instance.start()
    return began


async def drain_service(stage: Stage) -> float:
    instance = stage.instances[stage.injected % 2]
    began = time.monotonic()
    if await instance.stop(signal.SIGTERM) != 0:
        raise SystemExit(f"the service did not drain: {instance.log.read_text()[-2000:]}")
    await instance.start()
    return began


async def kill_worker(stage: Stage) -> float:
    worker = stage.chance.choice(stage.service.workers())
    stage.gone |= {item.id for item in stage.service.list_sandboxes() if item.worker == worker}
    _kill(worker)
    return time.monotonic()


async def restart_docker(stage: Stage) -> float:
    """The daemon ends, and every container with it; a moment later it is back."""
    began = time.monotonic()
    stage.gone |= stage.service.sandbox_names()
    daemon = Path(f"/proc/{_docker_pid()}")
    os.kill(int(daemon.name), signal.SIGTERM)
    await until(lambda: not daemon.exists())
    await asyncio.to_thread(subprocess.run, START_DOCKER, check=True)
    return began


async def fill_disk(stage: Stage) -> float:
    """Nothing can be written where bundles and temporary files go, while sandboxes die."""
    filling = stage.service.home / "filling"
    _fill(filling)
    await kill_all(stage)
    over = time.monotonic() + HELD_SECONDS
    while time.monotonic() < over:
        _fill(filling)  # the dead ones' files have made room
        await asyncio.sleep(LOOK_SECONDS / 10)
    filling.unlink()
    return time.monotonic()


def _docker_pid() -> int:
    return int(DOCKER_PID.read_text())


def _fill(path: Path) -> None:
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def exhaust_descriptors(stage: Stage) -> float:
    """The service has one descriptor left, while its sandboxes die and clients come."""
    return await _limited(stage, resource.RLIMIT_NOFILE, _highest_descriptor(stage.service.pid) + 2)


async def exhaust_memory(stage: Stage) -> float:
    """The service can have a few more MB of memory, while its sandboxes die."""
    return await _limited(stage, resource.RLIMIT_AS, _memory(stage.service.pid) + (2 << 20))


async def _limited(stage: Stage, limit: int, most: int) -> float:
    pid = stage.service.pid
    soft, hard = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (most, hard))
    await kill_all(stage)
    await asyncio.sleep(HELD_SECONDS)
    resource.prlimit(pid, limit, (soft, hard))
    return time.monotonic()


def _memory(pid: int) -> int:
    """Bytes of address space."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def _highest_descriptor(pid: int) -> int:
    return max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())


# --- on the way -------------------------------------------------------------------------


async def spoil_frame(stage: Stage) -> float:
    done = stage.service.logged("spoiled: ")
    os.kill(stage.service.pid, signal.SIGUSR1)
    began = time.monotonic()
    await until(lambda: stage.service.logged("spoiled: ") > done)
    await asyncio.sleep(0.5)  # for the service to notice, if there is anything to notice
    return began


async def spoil_connection(stage: Stage) -> float:
    """The next answer through a proxy is late, cut, garbled, refused, or does not come."""
    kinds = [*CONNECTION_FAULTS, *PROTOCOL_FAULTS, *(() if stage.quick else (HANG,))]
    kinds.remove("none")
    proxy = stage.proxies[stage.injected % 2]
    kind = kinds[stage.chance.randrange(len(kinds))]
    proxy.faults.append(Spoiled(kind, after=stage.chance.randrange(4)))
    await until(lambda: not proxy.faults)
    return time.monotonic()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


FAULTS = [
    Fault("runsc killed", kill_runsc),
    Fault("kernel killed", kill_kernel),
    Fault("stub killed", kill_stub),
    Fault("all kernels killed", kill_all),
    Fault("all killed while idle", kill_all_idle, "four sandboxes"),
    Fault("supervisor killed", kill_supervisor),
    Fault("supervisor babbles", babbling_supervisor),
    Fault("supervisor stopped", stop_supervisor, quick=False),
    Fault("kernel stopped", stop_kernel, quick=False),
    Fault("sandbox out of memory", starve_sandbox),
    Fault("service killed", kill_service, "pair"),
    Fault("service drained", drain_service, "pair"),
    Fault("worker killed", kill_worker, "workers"),
    Fault("disk full", fill_disk, "small disk"),
    Fault("no descriptors", exhaust_descriptors),
    Fault("no memory", exhaust_memory),
    Fault("docker restarted", restart_docker, "docker", quick=False),
    Fault("frames spoiled", spoil_frame, "bad lines", times=5),
    Fault("answers spoiled", spoil_connection, "bad network", times=5),
]
