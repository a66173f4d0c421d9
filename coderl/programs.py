"""``coderl run`` and ``coderl trace``: one program, here or on a running executor."""

import ast
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

from coderl.traces import PIPED, print_lines, print_outcome, print_steps, visible
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


def run_file(
    file: Path, tests: Path, url: str | None, runtime: str | None, *, coverage: bool = False
) -> ExecuteResult:
    """Run ``file`` on the tests in ``tests``: a JSON list, or an object with ``tests`` and any
    other field of a program."""
    given = _read_json(tests)
    fields = given if isinstance(given, dict) else {"tests": given}
    fields |= {"coverage": True} if coverage else {}
    program = _validated(ExecuteProgram, {"id": file.name, "code": read_source(file)} | fields)
    if url is not None:
        return _remote("run", url, lambda client: client.execute([program]))

    request = ExecuteRequest(programs=[program])
    return _local(ExecuteResult, runtime, lambda executor: executor.execute("local", request))


def trace_file(
    file: Path,
    stdin: str,
    call: str | None,
    detail: str,
    events: int | None,
    url: str | None,
    runtime: str | None,
) -> TraceResult:
    """Trace ``file`` on one input; ``events`` bounds the recording, None as the service does."""
    fields: dict[str, Any] = {"id": file.name, "code": read_source(file), "stdin": stdin}
    fields["detail"] = detail
    if call:
        fields["call"] = _call(call)
    if events is not None:
        fields["limits"] = {"max_events": events, "max_bytes": max(1_000_000, events * 100)}
    program = _validated(TraceProgram, fields)
    if url is not None:
        return _remote("trace", url, lambda client: client.trace([program]))

    request = TraceRequest(programs=[program])
    return _local(TraceResult, runtime, lambda executor: executor.trace("local", request))


def _call(text: str) -> dict[str, Any]:
    """``f(1, 2, key=3)`` as the contract's call; the service says what arguments may be."""
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        call = None
    if not isinstance(call, ast.Call) or any(keyword.arg is None for keyword in call.keywords):
        raise typer.BadParameter(f"{text!r} is not of the form 'f(1, 2)'", param_hint="--call")
    arguments = [ast.unparse(argument) for argument in call.args]
    return {
        "function": ast.unparse(call.func),
        "args_literal": f"({', '.join(arguments)},)" if arguments else "()",
        "kwargs": {str(keyword.arg): _plain(keyword) for keyword in call.keywords},
    }


def _plain(keyword: ast.keyword) -> Any:
    """The value of a keyword argument, which travels as JSON."""
    try:
        value = ast.literal_eval(keyword.value)
        if json.loads(json.dumps(value, allow_nan=False)) == value:
            return value
    except (ValueError, TypeError, RecursionError):
        pass
    given = f"{keyword.arg}={ast.unparse(keyword.value)}"
    raise typer.BadParameter(
        f"{given} cannot be sent: keyword arguments are numbers, strings, None, True, False, and "
        "lists and dictionaries of these; pass it by its position",
        param_hint="--call",
    )


def read_source(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file} is not UTF-8: byte {error.start}") from None
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None


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


def _remote(command: str, url: str, ask: "Callable[[ExecutorClient], Awaitable[list[M]]]") -> M:
    from coderl.executors import executor_config, failing, with_client

    with failing(command):
        (result,) = with_client(executor_config(url), ask)
    return result


def _local(
    kind: type[M],
    runtime: str | None,
    submit: "Callable[[Executor], Awaitable[list[Ticket]]]",
) -> M:
    from executor_api.checks import BadRequest
    from executor_api.execution import in_order
    from executor_api.local import local_executor
    from executor_api.sandbox.runtime import RuntimeUnavailable
    from executor_api.settings import Settings

    settings = _validated(Settings, {"sandboxes": 1} | ({"runtime": runtime} if runtime else {}))

    async def go() -> M:
        async with local_executor(settings) as executor:
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
        table.add_row(
            str(number), verdict, f"{test.wall_seconds:.3f}", test.trust, Text(visible(why))
        )
    Console().print(table)


def print_coverage(result: ExecuteResult, code: str) -> None:
    """The source with a mark beside each line that can run, and the branches never taken."""
    executed, missed = set(result.executed_lines or ()), set(result.missed_lines or ())
    console = Console(highlight=False)
    share = f"{len(executed)} of {len(executed | missed)} lines ran"
    if result.coverage_complete is False:
        share += ", perhaps more: the program took the measuring away"
    console.print(share)
    untaken: dict[int, list[str]] = {}
    for line, to in result.missed_branches or ():
        untaken.setdefault(line, []).append("the end" if to < 0 else str(to))
    for number, text in enumerate(code.splitlines(), 1):
        mark, colour = ("!", "red") if number in missed else (" ", "default")
        if number in executed:
            mark, colour = ("~", "yellow") if number in untaken else ("+", "green")
        never = f"  never to {', '.join(untaken[number])}" if mark == "~" else ""
        row = Text.assemble(
            (f"{mark} {number:4} ", colour), visible(text), (never, "yellow"), no_wrap=True
        )
        console.print(row, overflow="ellipsis", crop=True)


def print_trace(result: TraceResult, code: str, values: int, steps: int | None) -> None:
    """The source and the states of its variables side by side."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(width=PIPED)
    if steps is None:
        print_lines(console, result, code, values)
    else:
        print_steps(console, result, code, steps)


def hint(result: TraceResult, stdin: str) -> str:
    """What a program that failed may lack; empty for nothing."""
    error = result.exception
    if error is not None and error.type == "EOFError" and not stdin:
        return "the program reads standard input: give it with --stdin TEXT"
    return ""


def print_view(result: TraceResult, code: str, name: str, of_a_call: bool) -> None:
    """The trace in the format ``name`` that others train on; of a call, what it ran. What went
    wrong is said beside it."""
    from trainer_client.views import VIEWS, of_call

    try:
        text = VIEWS[name](of_call(result) if of_a_call else result, code)
    except ValueError as error:
        typer.echo(f"the view {name} cannot show this program: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(text, nl=not text.endswith("\n"))
    if result.status != "completed" or not result.complete:
        print_outcome(Console(stderr=True), result)


def check_view(name: str) -> None:
    from trainer_client.views import VIEWS

    if name not in VIEWS:
        known = ", ".join(sorted(VIEWS))
        raise typer.BadParameter(f"no view {name!r}; there are: {known}", param_hint="--view")


def write_page(result: TraceResult, code: str, file: Path) -> None:
    """A self-contained page that steps through the trace."""
    from executor_api.ui import trace_page

    try:
        file.write_text(trace_page(code, result), encoding="utf-8")
    except OSError as error:
        reason = f"{file} cannot be written: {error.strerror}"
        raise typer.BadParameter(reason, param_hint="--html") from None
