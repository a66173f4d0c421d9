"""Runtimes whose sandboxes evaluate expressions, to see from inside what a guest sees."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from executor_api.sandbox.process import ProcessRuntime
from executor_api.sandbox.runsc import RunscRuntime
from executor_api.sandbox.runtime import Runtime, Sandbox

EVALUATOR = Path(__file__).parent / "evaluator"


@pytest.fixture
def evaluate() -> Callable[[Sandbox, str], Awaitable[str]]:
    """Ask a sandbox's evaluator: the repr of an expression as that process sees it, or of what
    statements leave in ``answer``, or the exception."""
    return _evaluate


async def _evaluate(sandbox: Sandbox, expression: str) -> str:
    async with asyncio.timeout(60):
        await sandbox.send(struct.pack(">I", len(expression.encode())) + expression.encode())
        (length,) = struct.unpack(">I", await sandbox.receive(4))
        return (await sandbox.receive(length)).decode()


@pytest.fixture
async def runsc(tmp_path: Path) -> AsyncIterator[RunscRuntime]:
    runtime = RunscRuntime(guest=EVALUATOR, base=tmp_path / "state")
    yield runtime
    await runtime.close()


@pytest.fixture(
    params=["unsafe-process", pytest.param("runsc", marks=pytest.mark.gvisor)],
)
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runtime]:
    made: Runtime = (
        RunscRuntime(guest=EVALUATOR, base=tmp_path / "state")
        if request.param == "runsc"
        else ProcessRuntime(guest=EVALUATOR)
    )
    yield made
    await made.close()
