"""What the embedded gVisor sandbox shows a guest, forbids it, and leaves behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from executor_api.sandbox.bundle import Sizes
from executor_api.sandbox.runsc import RunscRuntime
from executor_api.sandbox.runtime import RuntimeUnavailable, Sandbox, SandboxDied

pytestmark = pytest.mark.gvisor

Evaluate = Callable[[Sandbox, str], Awaitable[str]]
Ask = Callable[..., Awaitable[list[str]]]
EVALUATOR = Path(__file__).parent / "evaluator"


@pytest.fixture
def ask(runsc: RunscRuntime, evaluate: Evaluate) -> Ask:
    """Answers to several questions from one fresh sandbox."""

    async def _ask(*expressions: str) -> list[str]:
        sandbox = await runsc.start()
        answers = [await evaluate(sandbox, expression) for expression in expressions]
        await sandbox.stop()
        return answers

    return _ask


def _as_nobody(statement: str) -> str:
    """An expression: what ``statement`` prints in a process under an unprivileged uid."""
    source = (
        "import os; os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)\n"
        f"{statement}"
    )
    return (
        f"subprocess.run([sys.executable, '-c', {source!r}], "
        "capture_output=True, text=True, timeout=30)"
    )


async def test_verify_proves_gvisor_and_tells_the_version(runsc: RunscRuntime) -> None:
    info = await runsc.verify()
    said = subprocess.run(["runsc", "--version"], capture_output=True, text=True, check=True)
    assert info.version.removeprefix("runsc ") in said.stdout


async def test_verify_refuses_a_binary_that_is_absent() -> None:
    with pytest.raises(RuntimeUnavailable, match=r"not on PATH; install gVisor.*unsafe-process"):
        await RunscRuntime(runsc="no-such-runsc").verify()


async def test_verify_refuses_another_program() -> None:
    with pytest.raises(RuntimeUnavailable, match="not gVisor's runsc"):
        await RunscRuntime(runsc="echo").verify()


async def test_verify_refuses_a_runtime_that_is_not_gvisor(tmp_path: Path) -> None:
    """A stand-in that answers every command like runsc but runs the program on the host."""
    impostor = tmp_path / "runsc"
    impostor.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  --version) echo 'runsc version 0.0~20240729.0';;\n"
        '  *" run "*) head -n 1 /proc/version; printf "gVisor\\n\\n"; cat;;\n'
        '  *" state "*) echo "{\\"pid\\": $$, \\"status\\": \\"running\\"}";;\n'
        "esac\n"
    )
    impostor.chmod(0o755)
    runtime = RunscRuntime(runsc=str(impostor), base=tmp_path / "state")
    with pytest.raises(RuntimeUnavailable, match="not gVisor's"):
        await runtime.verify()
    await runtime.close()


async def test_verify_names_an_unknown_platform(tmp_path: Path) -> None:
    runtime = RunscRuntime(platform="nonsense", base=tmp_path / "state")
    with pytest.raises(RuntimeUnavailable, match="nonsense"):
        await runtime.verify()
    await runtime.close()


async def test_supervisor_is_root_with_few_capabilities(ask: Ask) -> None:
    pid, uid, status = await ask(
        "os.getpid()",
        "os.getuid()",
        "open('/proc/self/status').read()",
    )
    assert (pid, uid) == ("1", "0")
    # chown, dac_override, fowner, kill, setgid, setuid, sys_resource
    assert "CapEff:\\t00000000010000eb" in status
    assert "CapBnd:\\t00000000010000eb" in status


async def test_file_system_is_minimal_and_read_only(ask: Ask) -> None:
    root, etc, guest, stdlib, usr = await ask(
        "sorted(os.listdir('/'))",
        "sorted(os.listdir('/etc'))",
        "open('/guest/x', 'w')",
        "open(os.__file__, 'a')",
        "open('/usr/lib/x', 'w')",
    )
    assert set(eval(root)) >= {"box", "guest", "tmp", "usr", "proc"}
    assert not {"home", "run", "var", "work", "opt", "srv"} & set(eval(root))
    assert set(eval(etc)) <= {"alternatives", "group", "passwd"}  # the first links into /usr
    assert all("Read-only file system" in answer for answer in (guest, stdlib, usr))


async def test_memory_file_systems_are_bounded(runsc: RunscRuntime, evaluate: Evaluate) -> None:
    fill = "open('{}/x', 'wb', buffering=0).write(bytes(400 << 20))"
    sandbox = await runsc.start()
    for place in ("/tmp", "/dev/shm", "/box"):
        answer = await evaluate(sandbox, fill.format(place))
        assert (answer.isdigit() and int(answer) < 400 << 20) or "No space" in answer
    await sandbox.stop()


async def test_host_bounds_the_whole_sandboxs_memory(tmp_path: Path, evaluate: Evaluate) -> None:
    runtime = RunscRuntime(guest=EVALUATOR, base=tmp_path / "state", sizes=Sizes(memory=200))
    await runtime.verify()
    sandbox = await runtime.start()
    assert await evaluate(sandbox, "len(bytes(50 << 20))") == str(50 << 20)
    if not list(Path("/sys/fs/cgroup").glob(f"**/{sandbox.id}")):
        await runtime.close()
        pytest.skip("no cgroups that a service may use on this machine")
    with pytest.raises(SandboxDied):
        await evaluate(sandbox, "len(b'x' * (600 << 20))")
    await runtime.close()


async def test_no_network(ask: Ask) -> None:
    answers = await ask(
        "socket.create_connection(('1.1.1.1', 53), 5)",
        "[name for _, name in socket.if_nameindex()]",
    )
    assert "No route to host" in answers[0] or "unreachable" in answers[0]
    assert answers[1] in ("['lo']", "[]")


async def test_unprivileged_program_cannot_reach_the_supervisor(ask: Ask) -> None:
    attempts = (
        "os.open('/proc/1/fd/0', os.O_RDONLY)",
        "os.open('/proc/1/fd/1', os.O_WRONLY)",
        "os.open('/proc/1/fd/2', os.O_WRONLY)",
        "os.open('/proc/1/mem', os.O_RDWR)",
        "os.kill(1, 9)",
        "os.setuid(0)",
        "open('/box/x', 'w')",
    )
    answers = await ask(*(_as_nobody(statement) for statement in attempts))
    for statement, answer in zip(attempts, answers, strict=True):
        assert "PermissionError" in answer, (statement, answer)


async def test_unprivileged_program_can_start_an_interpreter(ask: Ask) -> None:
    (answer,) = await ask(_as_nobody("import json, math; print(json.dumps(math.floor(2.5)))"))
    assert "stdout='2\\n'" in answer


async def test_rlimits_of_the_guest(ask: Ask) -> None:
    (answer,) = await ask(
        "[resource.getrlimit(n) for n in (3, 4, 7)]",  # stack, core, nofile
    )
    assert eval(answer) == [(64 << 20, -1), (0, 0), (1024, 1024)]


async def test_what_the_supervisor_relies_on(ask: Ask) -> None:
    """memfd_create, RLIMIT_FSIZE on it, CPU time in /proc, prlimit on another uid's process."""
    fsize, stat, foreign = await ask(_WRITE_BEYOND_FSIZE, _CPU_OF_A_CHILD, _LIMIT_A_FOREIGN_CHILD)
    assert fsize == "[1000, 'File too large', 1000]"
    assert int(stat) > 0
    assert foreign == "((-1, -1), (10, 10))"


_WRITE_BEYOND_FSIZE = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
fd = os.memfd_create("output")
answer = [os.write(fd, bytes(2000))]
try:
    os.write(fd, b"x")
except OSError as error:
    answer += [error.strerror, os.fstat(fd).st_size]
"""

_CPU_OF_A_CHILD = """
child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
answer = 0
while not answer:  # the test's own deadline ends this
    with open(f"/proc/{child.pid}/stat") as stat:
        answer = int(stat.read().rsplit(")", 1)[1].split()[11])
child.kill()
child.wait()
"""

_LIMIT_A_FOREIGN_CHILD = """
child = subprocess.Popen([sys.executable, "-c", "input()"], user=1000, stdin=subprocess.PIPE)
before = resource.prlimit(child.pid, resource.RLIMIT_CPU, (10, 10))
answer = before, resource.prlimit(child.pid, resource.RLIMIT_CPU)
child.kill()
child.wait()
"""


async def test_stop_leaves_no_trace(
    runsc: RunscRuntime, evaluate: Evaluate, tmp_path: Path
) -> None:
    sandbox = await runsc.start()
    await evaluate(sandbox, "1")
    assert _processes(sandbox.id)
    await sandbox.stop()
    assert not _processes(sandbox.id)
    assert not [path for path in (tmp_path / "state").rglob("*") if sandbox.id in path.name]
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{sandbox.id}"))
    await runsc.close()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["lock"]


_SERVICE = """
import asyncio, sys
from pathlib import Path
from executor_api.sandbox.bundle import Sizes
from executor_api.sandbox.runsc import RunscRuntime

async def main():
    runtime = RunscRuntime(guest=Path(sys.argv[1]), base=Path(sys.argv[2]))
    sandbox = await runtime.start()
    await sandbox.send(b"\\0\\0\\0\\1" + b"1")
    await sandbox.receive(5)
    print(sandbox.id, flush=True)
    await asyncio.sleep(120)

asyncio.run(main())
"""


async def test_a_killed_service_leaves_nothing_for_long(
    runsc: RunscRuntime, tmp_path: Path
) -> None:
    base = tmp_path / "state"
    service = subprocess.Popen(
        [sys.executable, "-c", _SERVICE, str(EVALUATOR), str(base)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    sandbox_id = (await asyncio.to_thread(service.stdout.readline)).strip()
    assert sandbox_id.startswith("coderl-")
    os.kill(service.pid, signal.SIGKILL)
    await asyncio.to_thread(service.wait)
    service.stdout.close()
    async with asyncio.timeout(30):
        while _processes(sandbox_id):
            await asyncio.sleep(0.05)
    await (await runsc.start()).stop()  # the next service sweeps up
    assert not [path for path in base.rglob("*") if sandbox_id in path.name]
    assert len([path for path in base.iterdir() if path.is_dir()]) == 1


async def test_a_living_service_keeps_its_directory(
    runsc: RunscRuntime, evaluate: Evaluate, tmp_path: Path
) -> None:
    mine = await runsc.start()
    other = RunscRuntime(guest=EVALUATOR, base=tmp_path / "state")
    await (await other.start()).stop()
    await other.close()
    assert await evaluate(mine, "1 + 1") == "2"
    await mine.stop()


def _processes(sandbox_id: str) -> list[int]:
    """Processes of the host whose command line names the sandbox."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if sandbox_id.encode() in command:
                found.append(int(entry.name))
    return found
