"""``coderl``: serve, run, trace, train, eval, bench. Each command imports only what it needs."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reinforcement learning for code models on a gVisor-isolated executor.",
)


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
    api_keys_file: Annotated[Path | None, typer.Option(help="One NAME:KEY a line.")] = None,
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
        "api_keys_file": api_keys_file,
        "log_level": log_level,
    }
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for item in error.errors():
            field = ".".join(map(str, item["loc"]))
            message = item["msg"].removeprefix("Value error, ")
            typer.echo(f"coderl serve: {field + ': ' if field else ''}{message}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(run_service(settings))


def main() -> None:
    app()
