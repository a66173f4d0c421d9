"""``coderl run`` and ``coderl trace``: one program, here or on a running executor."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from executor_api.wire import (
    ExecuteProgram,
    ExecuteRequest,
    ExecuteResult,
    TraceProgram,
    TraceRequest,
    TraceResult,
    Verdict,
)

if TYPE_CHECKING:
    from executor_api.execution import Executor, Ticket
    from trainer_client import ExecutorClient

M = TypeVar("M")

_COLOURS = {Verdict.ACCEPTED: "green", "completed": "green", Verdict.SANDBOX_ERROR: "magenta"}
_SHOWN_CHARS = 60


def run_file(file: Path, tests: Path, url: str | None, runtime: str | None) -> ExecuteResult:
    """Run ``file`` on the tests in ``tests``: a JSON list, or an object with ``tests`` and any
    other field of a program."""
    given = _read_json(tests)
    fields = given if isinstance(given, dict) else {"tests": given}
    program = _validated(ExecuteProgram, {"id": file.name, "code": file.read_text()} | fields)
    if url is not None:
        return _remote(url, lambda client: client.execute([program]))

    request = ExecuteRequest(programs=[program])
    return _local(ExecuteResult, runtime, lambda executor: executor.execute("local", request))


def trace_file(
    file: Path, stdin: str, call: str | None, detail: str, url: str | None, runtime: str | None
) -> TraceResult:
    fields = {"id": file.name, "code": file.read_text(), "stdin": stdin, "detail": detail}
    program = _validated(TraceProgram, fields | ({"call": _call(call)} if call else {}))
    if url is not None:
        return _remote(url, lambda client: client.trace([program]))

    request = TraceRequest(programs=[program])
    return _local(TraceResult, runtime, lambda executor: executor.trace("local", request))


def _call(text: str) -> dict[str, str]:
    """``f(1, 2)`` as the contract's call."""
    name, parenthesis, rest = text.strip().partition("(")
    if not parenthesis or not rest.endswith(")"):
        raise typer.BadParameter(f"{text!r} is not of the form 'f(1, 2)'", param_hint="--call")
    arguments = rest[:-1].strip().rstrip(",")
    return {"function": name, "args_literal": f"({arguments},)" if arguments else "()"}


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="--tests") from None


def _validated(model: type[M], fields: dict[str, Any]) -> M:
    from pydantic import ValidationError

    try:
        return model(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise typer.BadParameter(f"{place}: {first['msg']}") from None


def _remote(url: str, ask: "Callable[[ExecutorClient], Awaitable[list[M]]]") -> M:
    from trainer_client import ExecutorClient

    async def go() -> M:
        async with ExecutorClient(url, os.environ.get("CODERL_API_KEY")) as client:
            return (await ask(client))[0]

    return asyncio.run(go())


def _local(
    kind: type[M],
    runtime: str | None,
    submit: "Callable[[Executor], Awaitable[list[Ticket]]]",
) -> M:
    from executor_api.execution import BadRequest, in_order
    from executor_api.local import local_executor
    from executor_api.sandbox.runtime import RuntimeUnavailable
    from executor_api.settings import Settings

    chosen: dict[str, Any] = {"sandboxes": 1} | ({"runtime": runtime} if runtime else {})

    async def go() -> M:
        async with local_executor(Settings(**chosen)) as executor:
            (result,) = await in_order(await submit(executor))
            assert isinstance(result, kind)
            return result

    try:
        return asyncio.run(go())
    except RuntimeUnavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except BadRequest as error:
        place = ".".join(map(str, error.loc[2:]))
        raise typer.BadParameter(f"{place}: {error.message}") from None


# --- printing ---------------------------------------------------------------------------


def print_verdicts(result: ExecuteResult) -> None:
    table = Table(title=f"{result.id}: {result.verdict} ({result.passed}/{result.total} tests)")
    for column in ("test", "verdict", "seconds", "trust", "why"):
        table.add_column(column)
    for number, test in enumerate(result.tests, 1):
        colour = _COLOURS.get(test.verdict, "red")
        why = (
            test.message
            or (
                test.exception
                and f"{test.exception.type} in line {test.exception.line}: {test.exception.message}"
            )
            or ""
        )
        verdict = Text(test.verdict, style=colour)
        table.add_row(str(number), verdict, f"{test.wall_seconds:.3f}", test.trust, Text(why))
    Console().print(table)


def print_trace(result: TraceResult, code: str) -> None:
    """The source with, on each line, the variables that its visits changed."""
    console = Console()
    states = _states(result)
    table = Table(title=f"{result.id}: {result.status}", show_lines=False, expand=False)
    table.add_column("line", justify="right", style="dim")
    table.add_column("source")
    table.add_column("values", style="cyan")
    for number, line in enumerate(code.splitlines(), 1):
        table.add_row(str(number), Text(line), Text(states.get(number, "")))
    console.print(table)
    if result.stdout:
        console.print(Text(result.stdout), end="")
    if result.exception is not None:
        error = result.exception
        console.print(f"{error.type} in line {error.line}: {error.message}", style="red")
    if result.value is not None:
        console.print(Text(f"returned {result.value}"), style="bold")
    if not result.complete:
        console.print(f"the recording is incomplete: {result.reason}", style="yellow")


def _states(result: TraceResult) -> dict[int, str]:
    """Line → the last definitions that it made, by frame."""
    lines: dict[int, list[str]] = {}
    for variables in result.final.values():
        for name, definition in variables.items():
            text = f"{name} = {definition.value[:_SHOWN_CHARS]}"
            if definition.visits > 1:
                text += f" (×{definition.visits})"
            lines.setdefault(definition.line, []).append(text)
    return {line: "; ".join(dict.fromkeys(texts)) for line, texts in lines.items()}
