"""The executor of a command: the one that ``--url`` names, or one started for the occasion."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer
from pydantic import ValidationError

from trainer_client.client import ExecutorClient, ExecutorError
from trainer_client.client.answers import NoVerdicts
from trainer_client.config import ConfigError, ExecutorConfig
from trainer_client.local_executor import ExecutorNotReady, running_executor

__all__ = ["executor_config", "failing", "with_client"]

FAILURES: tuple[type[Exception], ...] = (ExecutorError, ExecutorNotReady, NoVerdicts)
"""Of the executor."""

T = TypeVar("T")


def executor_config(
    url: str | None, runtime: str | None = None, sandboxes: int | None = None
) -> ExecutorConfig:
    """From the options of a command; ``BadParameter`` where one is wrong."""
    given = {"url": url or None, "runtime": runtime, "sandboxes": sandboxes}
    try:
        return ExecutorConfig.model_validate({k: v for k, v in given.items() if v is not None})
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


@contextmanager
def failing(command: str, usage: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Say what went wrong in one sentence: exit status 2 for ``usage``, what was asked for wrongly,
    and 1 where the executor failed."""
    try:
        yield
    except usage + FAILURES as error:
        typer.echo(f"coderl {command}: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, usage) else 1) from None
