"""Runtimes whose sandboxes evaluate expressions, to see from inside what a guest sees."""

import asyncio
import shutil
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from executor_api.sandbox.docker import DockerRuntime
from executor_api.sandbox.process import ProcessRuntime
from executor_api.sandbox.runsc import RunscRuntime
from executor_api.sandbox.runtime import Runtime, Sandbox

REPOSITORY = Path(__file__).parents[3]
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


@pytest.fixture(scope="session")
def evaluator_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sandbox image, with the evaluator for a supervisor."""
    context = tmp_path_factory.mktemp("context")
    shutil.copytree(EVALUATOR, context / "executor_api/guest")
    image = "coderl-sandbox-evaluator"
    dockerfile = REPOSITORY / "services/sandbox/Dockerfile"
    subprocess.run([REPOSITORY / "scripts/build-base-image.sh"], check=True, timeout=280)
    subprocess.run(
        ["docker", "build", "-q", "-t", image, "-f", dockerfile, context], check=True, timeout=280
    )
    return image


@pytest.fixture(
    params=[
        "unsafe-process",
        pytest.param("runsc", marks=pytest.mark.gvisor),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runtime]:
    made: Runtime
    match request.param:
        case "runsc":
            made = RunscRuntime(guest=EVALUATOR, base=tmp_path / "state")
        case "docker":
            made = DockerRuntime(image=request.getfixturevalue("evaluator_image"))
        case _:
            made = ProcessRuntime(guest=EVALUATOR)
    yield made
    await made.close()
