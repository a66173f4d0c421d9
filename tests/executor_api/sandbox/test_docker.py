"""The Docker runtime: what it refuses, and the one container that it makes."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from executor_api.sandbox.docker import DockerRuntime
from executor_api.sandbox.docker_spec import create_body, create_digest
from executor_api.sandbox.runtime import RuntimeUnavailable, Sandbox, SandboxDied

Evaluate = Callable[[Sandbox, str], Awaitable[str]]


@pytest.fixture
async def runtime(evaluator_image: str) -> AsyncIterator[DockerRuntime]:
    made = DockerRuntime(image=evaluator_image)
    yield made
    await made.close()


@pytest.mark.parametrize("host", ["unix:///nonexistent.sock", "tcp://127.0.0.1:1"])
async def test_verify_names_a_daemon_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(RuntimeUnavailable, match=r"no Docker daemon answers.*set DOCKER_HOST"):
        await DockerRuntime().verify()


async def test_verify_names_a_host_it_cannot_attach_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://somewhere")
    with pytest.raises(RuntimeUnavailable, match="ssh://somewhere"):
        await DockerRuntime().verify()


@pytest.mark.docker
async def test_verify_names_a_missing_image() -> None:
    runtime = DockerRuntime(image="coderl-no-such-image")
    with pytest.raises(RuntimeUnavailable, match=r"docker build -t coderl-no-such-image"):
        await runtime.verify()
    await runtime.close()


@pytest.mark.docker
async def test_verify_names_a_missing_runtime(runtime: DockerRuntime) -> None:
    runtime._body["HostConfig"]["Runtime"] = "no-such-runtime"
    with pytest.raises(RuntimeUnavailable, match=r"no-such-runtime.*Register the runtime 'runsc'"):
        await runtime.verify()


@pytest.mark.docker
async def test_a_name_is_given_once(evaluator_image: str) -> None:
    services = [
        DockerRuntime(image=evaluator_image, prefix="coderl-sandbox-names-", at_most=2)
        for _ in range(2)
    ]
    first, second = [await service.start() for service in services]
    assert {first.id, second.id} == {"coderl-sandbox-names-0", "coderl-sandbox-names-1"}
    with pytest.raises(SandboxDied, match="all 2 names coderl-sandbox-names-NUMBER are taken"):
        await services[0].start()
    await second.stop()
    third = await services[0].start()
    assert third.id == second.id
    for service in services:
        await service.close()


def test_the_pinned_specification_grants_nothing_but_what_the_supervisor_needs() -> None:
    host = create_body()["HostConfig"]
    assert (host["Runtime"], host["NetworkMode"], host["CapDrop"]) == ("runsc", "none", ["ALL"])
    assert host["ReadonlyRootfs"] and not host["Privileged"]
    assert not {"Binds", "Mounts", "Devices", "VolumesFrom", "PidMode"} & set(host)


def test_the_digest_depends_on_the_image_and_on_nothing_momentary() -> None:
    assert re.fullmatch("[0-9a-f]{64}", create_digest())
    assert create_digest() == create_digest()
    assert create_digest("other") != create_digest()


@pytest.mark.docker
async def test_daemon_reports_the_pinned_specification(runtime: DockerRuntime) -> None:
    sandbox = await runtime.start()
    said = await sandbox.inspect()
    await sandbox.stop()
    wanted = create_body()["HostConfig"]
    for name in ("Runtime", "NetworkMode", "ReadonlyRootfs", "CapDrop", "PidsLimit", "Memory"):
        assert said["HostConfig"][name] == wanted[name]
    assert said["Mounts"] == []


@pytest.mark.docker
async def test_guest_sees_gvisor_and_few_capabilities(
    runtime: DockerRuntime, evaluate: Evaluate
) -> None:
    sandbox = await runtime.start()
    version = await evaluate(sandbox, "open('/proc/version').read()")
    status = await evaluate(sandbox, "open('/proc/self/status').read()")
    ids = await evaluate(sandbox, "(os.getpid(), os.getuid(), sys.argv)")
    network = await evaluate(sandbox, "socket.create_connection(('1.1.1.1', 53), 5)")
    await sandbox.stop()
    assert "Linux version 4.4.0" in version
    assert "CapBnd:\\t00000000010000eb" in status
    assert ids == "(1, 0, ['/guest/supervisor.py'])"
    assert "No route" in network or "unreachable" in network


_AS_NOBODY = """
import subprocess, sys
source = (
    "import os\\nos.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)\\n"
    "for fd, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):\\n"
    "    try:\\n        print(os.open(f'/proc/1/fd/{fd}', mode))\\n"
    "    except PermissionError:\\n        print('denied')\\n"
)
answer = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True).stdout
"""


@pytest.mark.docker
async def test_unprivileged_program_cannot_reach_the_supervisors_streams(
    runtime: DockerRuntime, evaluate: Evaluate
) -> None:
    sandbox = await runtime.start()
    answer = await evaluate(sandbox, _AS_NOBODY)
    await sandbox.stop()
    assert eval(answer).split() == ["denied"] * 3


@pytest.mark.docker
async def test_sweeps_up_what_a_dead_service_left(
    runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch, evaluator_image: str
) -> None:
    sandbox = await runtime.start()
    sandbox._writer.close()  # as the kernel does for a killed service: the supervisor exits
    async with asyncio.timeout(30):
        while (await sandbox.inspect())["State"]["Running"]:
            await asyncio.sleep(0.05)
    monkeypatch.setattr("executor_api.sandbox.docker._LEFT_OVER_SECONDS", -1)
    other = DockerRuntime(image=evaluator_image)
    await other._sweep()
    await other.close()
    with pytest.raises(SandboxDied, match="the container is gone"):
        await sandbox.inspect()


@pytest.mark.docker
async def test_a_start_broken_off_leaves_nothing(evaluator_image: str) -> None:
    prefix = "coderl-sandbox-cancelled-"
    runtime = DockerRuntime(image=evaluator_image, prefix=prefix)
    starts = [asyncio.create_task(runtime.start()) for _ in range(3)]
    for start in starts:
        await asyncio.sleep(0.05)  # each at another point
        start.cancel()
    await asyncio.wait(starts)
    assert all(start.cancelled() for start in starts)
    api = runtime._api()
    await runtime.close()
    assert not api.containers(all=True, filters={"name": prefix})
