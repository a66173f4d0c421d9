"""The executor in this process, without HTTP: for the command line and for tests."""

import contextlib
from collections.abc import AsyncIterator

from executor_api.app import running_executor, verified_runtime
from executor_api.execution import Executor
from executor_api.settings import Settings

_READY_SECONDS = 120.0


@contextlib.asynccontextmanager
async def local_executor(settings: Settings) -> AsyncIterator[Executor]:
    """A ready executor; ``RuntimeUnavailable`` where the runtime cannot be verified."""
    runtime, _ = await verified_runtime(settings)
    async with running_executor(settings, runtime) as executor:
        await executor.scheduler.wait_ready(_READY_SECONDS)
        yield executor
