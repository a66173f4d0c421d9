"""The executor of a command: the one that ``--url`` names, or one started for the occasion."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer
from pydantic import ValidationError

from trainer_client.client import ExecutorClient
from trainer_client.config import ConfigError, ExecutorConfig
from trainer_client.local_executor import running_executor

__all__ = ["executor_config", "with_client"]

T = TypeVar("T")


def executor_config(url: str | None, runtime: str, sandboxes: int | None = None) -> ExecutorConfig:
    """From the options of a command; ``BadParameter`` where one is wrong."""
    try:
        return ExecutorConfig.model_validate(
            {"url": url or "auto", "runtime": runtime, "sandboxes": sandboxes}
        )
    except ValidationError as error:
        wrong = error.errors()[0]
        raise typer.BadParameter(
            f"{wrong['input']!r}: {wrong['msg']}", param_hint=f"--{wrong['loc'][0]}"
        ) from None


def with_client(
    config: ExecutorConfig, work: Callable[[ExecutorClient], Awaitable[T]], log: Path | None = None
) -> T:
    """Do the work with a client of the executor. ``log``: where one started here writes; nowhere
    that lasts where None."""

    try:
        key = config.api_key
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None

    async def go(urls: list[str]) -> T:
        async with ExecutorClient(urls, key) as client:
            return await work(client)

    with (
        tempfile.TemporaryDirectory() as scratch,
        running_executor(config, log or Path(scratch) / "executor.log") as urls,
    ):
        return asyncio.run(go(urls))
