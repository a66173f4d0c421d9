"""What a supervisor says that no supervisor of ours says ends the sandbox, never the service."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from executor_api.guest import frames
from executor_api.sandbox.link import Link
from executor_api.sandbox.process import ProcessRuntime
from executor_api.sandbox.runtime import SandboxDied
from executor_api.wire import ExecuteLimits, TraceLimits

PONG = {"op": "pong", "python": "3.11", "tools": []}
TEST = {"op": "test", "job": 1, "index": 0, "end": "exited", "code": 0}
TEST |= {"cpu": 0.0, "wall": 0.0, "memory": 0.0}
DONE = {"op": "done", "job": 1, "clean": True}

Says = Callable[..., Coroutine[Any, Any, Link]]


@pytest.fixture
async def supervisor_says(tmp_path: Path) -> AsyncIterator[Says]:
    """A link to a process that says this much, whatever it is asked."""
    runtime = ProcessRuntime(guest=tmp_path)

    async def start(*headers: object) -> Link:
        said = b"".join(frames.pack(json.dumps(header)) for header in headers)
        code = f"import sys\nsys.stdout.buffer.write({said!r})\nsys.stdout.flush()\n"
        (tmp_path / "supervisor.py").write_text(code + "sys.stdin.read()\n")
        return Link(await runtime.start())

    yield start
    await runtime.close()


@pytest.mark.parametrize("pong", [[], "pong", PONG | {"op": "ping"}, PONG | {"tools": 3}, {}])
async def test_a_bad_pong(supervisor_says: Says, pong: object) -> None:
    link = await supervisor_says(pong)
    with pytest.raises(SandboxDied):
        await link.ready()


async def test_a_pong_without_a_version(supervisor_says: Says) -> None:
    link = await supervisor_says({"op": "pong"})
    with pytest.raises(SandboxDied, match="python"):
        await link.ready()


async def _run(link: Link) -> None:
    await link.run("", [{}], ExecuteLimits(), isolation="program", program_seconds=1)


@pytest.mark.parametrize("field", [*TEST])
async def test_a_test_without_a_field(supervisor_says: Says, field: str) -> None:
    test = {name: value for name, value in TEST.items() if name != field}
    link = await supervisor_says(test, DONE)
    if field == "code":  # only of some ends
        await _run(link)
        return
    with pytest.raises(SandboxDied):
        await _run(link)


@pytest.mark.parametrize("field", ["end", "cpu", "wall", "memory"])
async def test_a_trace_without_a_field(supervisor_says: Says, field: str) -> None:
    trace = {name: value for name, value in (TEST | {"op": "trace"}).items() if name != field}
    link = await supervisor_says(trace, DONE)
    with pytest.raises(SandboxDied, match=field):
        await link.trace({}, TraceLimits())


async def test_a_job_that_does_not_say_that_it_is_clean(supervisor_says: Says) -> None:
    link = await supervisor_says(TEST, {"op": "done", "job": 1})
    await _run(link)
    assert not link.clean


async def test_text_travels_in_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escaped it would take three times as much, and a batch that was admitted not fit."""
    runtime, sent = ProcessRuntime(), 0
    try:
        sandbox = await runtime.start()
        send = sandbox.send

        async def counted(data: bytes) -> None:
            nonlocal sent
            sent += len(data)
            await send(data)

        monkeypatch.setattr(sandbox, "send", counted)
        code = "print(len(input()))"
        tests = [{"kind": "stdio", "stdin": "é" * 100_000}]
        (seen,) = await Link(sandbox).run(
            code, tests, ExecuteLimits(), isolation="program", program_seconds=10
        )
    finally:
        await runtime.close()
    assert seen.stdout == "100000\n"
    assert sent < 2 * 100_000 + 1000
