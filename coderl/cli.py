"""``coderl``: each command imports only what it needs."""

import os
import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Annotated, Any

import typer

from coderl.data import app as data_app
from coderl.evals import app as eval_app
from coderl.options import Json, Runtime, Url

PROJECT = "coderl-plus"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reinforcement learning for code models on a gVisor-isolated executor.",
)
app.add_typer(data_app, name="data")
app.add_typer(eval_app, name="eval")


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to bind; loopback without keys.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free one.")] = None,
    runtime: Annotated[
        str | None, typer.Option(help="runsc, docker, or unsafe-process (no isolation).")
    ] = None,
    sandboxes: Annotated[int | None, typer.Option(help="Warm sandboxes; default: cores.")] = None,
    languages: Annotated[
        str | None, typer.Option(help="Of programs, comma-separated; `python` shows them least.")
    ] = None,
    rootless: Annotated[
        bool | None, typer.Option("--rootless", help="Refuse root; others need no option.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes, for machines with many cores.")
    ] = None,
    api_keys_file: Annotated[Path | None, typer.Option(help="One NAME:KEY a line.")] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="PEM; with --tls-key the service speaks HTTPS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM, of --tls-cert.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning, error.")] = None,
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="TOML file; see docs/executor.md.")
    ] = None,
) -> None:
    """Start the executor. Every option is also CODERL_<OPTION> in the environment."""
    from pydantic import ValidationError

    from executor_api.serve import serve as run_service
    from executor_api.settings import SETTINGS_FILE_VARIABLE, Settings

    if settings_file is not None:
        if not settings_file.is_file():
            raise typer.BadParameter(f"no file at {settings_file}", param_hint="--settings")
        os.environ[SETTINGS_FILE_VARIABLE] = str(settings_file)
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "runtime": runtime,
        "sandboxes": sandboxes,
        "languages": languages,
        "rootless": rootless,
        "workers": workers,
        "api_keys_file": api_keys_file,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "log_level": log_level,
    }
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except tomllib.TOMLDecodeError as error:
        raise typer.BadParameter(f"{settings_file} is not TOML: {error}") from None
    except ValidationError as error:
        for item in error.errors():
            field = ".".join(map(str, item["loc"]))
            message = item["msg"].removeprefix("Value error, ")
            typer.echo(f"coderl serve: {field + ': ' if field else ''}{message}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(run_service(settings))


File = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]


@app.command()
def run(
    file: File,
    tests: Annotated[Path, typer.Option(help="JSON: a list of tests, or a program's fields.")],
    url: Url = None,
    runtime: Runtime = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Show which lines and branches the tests ran.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a program on tests. Exit status 1 unless every test is accepted."""
    from coderl.programs import print_coverage, print_verdicts, read_source, run_file

    result = run_file(file, tests, url, runtime, coverage=coverage)
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    else:
        print_verdicts(result)
        if result.executed_lines is not None:
            print_coverage(result, read_source(file))
    raise typer.Exit(0 if result.verdict == "accepted" else 1)


@app.command()
def trace(
    file: File,
    stdin: Annotated[str, typer.Option(help="Standard input of the program.")] = "",
    call: Annotated[str | None, typer.Option(help="Call this instead: 'f(1, 2)'.")] = None,
    detail: Annotated[str, typer.Option(help="final or lines.")] = "lines",
    html: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write a page that steps through it.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=2, help="Show the steps one by one, at most so many.")
    ] = None,
    values: Annotated[
        int, typer.Option(min=2, help="Values shown of one variable on one line.")
    ] = 4,
    events: Annotated[
        int | None, typer.Option(min=1, help="Events recorded; 10,000 without it.")
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(help="Print this format to train on: coconut, codeexecutor, cwm, …"),
    ] = None,
    url: Url = None,
    runtime: Runtime = None,
    as_json: Json = False,
) -> None:
    """Run a program once and show the values of its variables. Exit status 1 if it failed."""
    from coderl.programs import (
        check_view,
        hint,
        print_trace,
        print_view,
        read_source,
        trace_file,
        write_page,
    )

    if view is not None:
        check_view(view)
    if view is not None and (as_json or steps is not None):
        other = "--json" if as_json else "--steps"
        raise typer.BadParameter(f"is printed instead of {other}: give one", param_hint="--view")
    if detail == "final" and (html is not None or steps is not None or view is not None):
        raise typer.BadParameter("final has no steps: leave it out", param_hint="--detail")
    result = trace_file(file, stdin, call, detail, events, url, runtime)
    if html is not None:
        write_page(result, read_source(file), html)
        typer.echo(f"{html}: open it in a browser", err=True)
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    elif view is not None:
        print_view(result, read_source(file), view, call is not None)
    elif html is None:
        print_trace(result, read_source(file), values, steps)
    if advice := hint(result, stdin):
        typer.echo(advice, err=True)
    raise typer.Exit(0 if result.status == "completed" else 1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(
    context: typer.Context,
    recipe: File,
) -> None:
    """Train as a YAML recipe says; `--section.field value` overrides any of its fields."""
    from trainer_client.training.train import main as train_main

    raise typer.Exit(train_main(recipe, context.args))


alignment_app = typer.Typer(no_args_is_help=True, help="The alignment questions of a run.")
app.add_typer(alignment_app, name="alignment")


@alignment_app.callback()
def _alignment() -> None:
    """The alignment questions of a run."""


@alignment_app.command("show")
def alignment_show(
    run: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Its output_dir.")],
    step: Annotated[int | None, typer.Option(help="Only those asked in this step.")] = None,
    id: Annotated[str | None, typer.Option(help="Only those whose id begins so.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The last so many.")] = 5,
    check: Annotated[
        bool, typer.Option("--check", help="Trace the programs again; status 1 if answers differ.")
    ] = False,
    url: Url = None,
    runtime: Runtime = None,
    as_json: Json = False,
) -> None:
    """Show questions, the answers given, and what they earned."""
    from coderl.alignment import check as check_answers
    from coderl.alignment import chosen, print_json, print_questions

    asked = chosen(run, step, id, limit)
    if check:
        raise typer.Exit(int(check_answers(asked, url, runtime) > 0))
    print_json(asked) if as_json else print_questions(asked)


@app.command()
def report(
    run_directory: Annotated[
        Path, typer.Argument(metavar="RUN", exists=True, file_okay=False, help="Its output_dir.")
    ],
    trace: Annotated[
        bool, typer.Option("--trace", help="Run the failed programs shown, for their values.")
    ] = False,
    url: Url = None,
    runtime: Runtime = None,
) -> None:
    """Write RUN/report.html: curves, verdicts, programs written, questions and answers."""
    from coderl.report import report_run

    typer.echo(f"{report_run(run_directory, trace, url, runtime)}: open it in a browser", err=True)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A file of bench/: throughput, coverage, load, faults, privilege, step, trace."
        ),
    ] = "throughput",
) -> None:
    """Measure, from a checkout of the sources; options behind NAME are the benchmark's own."""
    folder = Path(__file__).parents[1] / "bench"
    names = sorted(file.stem for file in folder.glob("*.py"))
    if name not in names:
        known = ", ".join(names) or f"none: {folder} is missing, run it from a checkout"
        raise typer.BadParameter(f"no benchmark {name!r}; there are: {known}", param_hint="NAME")
    command = [sys.executable, str(folder / f"{name}.py"), *context.args]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


def main() -> None:
    try:
        app()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        extra = _extra_with(missing)
        if extra is None:
            raise
        sys.exit(f"coderl: this needs {missing}: pip install '{PROJECT}[{extra}]'")


def _extra_with(package: str) -> str | None:
    """The first of the project's extras that names a package."""
    with suppress(PackageNotFoundError):  # run from its sources alone
        for requirement in requires(PROJECT) or ():
            found = re.match(r'([\w.-]+).*\bextra == "(\w+)"', requirement)
            if found and found[1].replace("-", "_").lower() == package.lower():
                return found[2]
    return None
