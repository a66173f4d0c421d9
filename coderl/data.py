"""``coderl data``: validate, convert, count and decontaminate sets of problems."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coderl.options import Json, Runtime, Url

if TYPE_CHECKING:
    from trainer_client.config import Filters
    from trainer_client.data.problem import Collection, Problem
    from trainer_client.data.references import FailedReference
    from trainer_client.data.selection import Selection
    from trainer_client.data.summary import Spread

app = typer.Typer(no_args_is_help=True, help="Validate, convert, count and decontaminate problems.")

Source = Annotated[str, typer.Argument(help="A file, a folder, or a data set of the hub.")]
Format = Annotated[
    str | None, typer.Option(help="Of the rows; found out from their columns without it.")
]
Split = Annotated[str | None, typer.Option(help="Only the problems of this split.")]
Ngram = Annotated[int, typer.Option(min=1, help="Words of an n-gram.")]
MinOverlap = Annotated[
    float, typer.Option(min=0, max=1, help="Share of an evaluation problem's n-grams; 0: any.")
]
Output = Annotated[Path, typer.Argument(dir_okay=False, help="JSON Lines to write.")]

ROWS_SHOWN = 20


@app.command()
def validate(
    source: Source,
    format: Format = None,
    split: Split = None,
    run: Annotated[
        bool, typer.Option("--run", help="Also run the references on their tests.")
    ] = False,
    url: Url = None,
    runtime: Runtime = None,
    as_json: Json = False,
) -> None:
    """Say which rows are not valid and why. Exit status 1 if any is not."""
    from trainer_client.data.formats import collect

    with _errors():
        found, name = collect(source, format, split)
        problems = _of_split(list(found.problems.values()), split)
        failed = _failed_references(problems, url, runtime) if run else None
    report = _validation(source, name, found, problems, failed)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _print_validation(report)
    raise typer.Exit(int(bool(_errors_in(report) or failed)))


@app.command()
def convert(
    source: Source,
    output: Output,
    format: Format = None,
    split: Split = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave them out instead of stopping.")
    ] = False,
    difficulty: Annotated[
        list[str] | None, typer.Option(help="Only problems of this difficulty; repeat for more.")
    ] = None,
    max_prompt_chars: Annotated[
        int | None, typer.Option(min=1, help="Only statements that are no longer.")
    ] = None,
    pass_rates: Annotated[
        Path | None, typer.Option(help="JSON Lines of id, passed, samples: the policy's.")
    ] = None,
    min_pass_rate: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    max_pass_rate: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    decontaminate: Annotated[
        list[str] | None,
        typer.Option(help="Leave out what overlaps with this evaluation set; repeat for more."),
    ] = None,
    ngram: Ngram = 13,
    min_overlap: MinOverlap = 0.2,
    as_json: Json = False,
) -> None:
    """Write problems in the project's own format, those that the filters leave."""
    from trainer_client.data.formats import collect
    from trainer_client.data.problem import save_problems
    from trainer_client.data.selection import select

    with _errors():
        filters = _filters(
            difficulties=difficulty,
            max_prompt_chars=max_prompt_chars,
            pass_rates=pass_rates,
            min_pass_rate=min_pass_rate,
            max_pass_rate=max_pass_rate,
            decontaminate=decontaminate,
            ngram=ngram,
            min_overlap=min_overlap,
        )
        found, _ = collect(source, format, split)
        if not skip_bad_rows:
            found.checked()
        selection = select(_of_split(list(found.problems.values()), split), filters)
    with _writing(output):
        save_problems(selection.kept, output)
    report = _conversion(found, selection)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        bad = f", {report['bad_rows']} errors in rows left out" if report["bad_rows"] else ""
        typer.echo(f"{output}: {selection}{bad}")


@app.command()
def stats(
    source: Source, format: Format = None, split: Split = None, as_json: Json = False
) -> None:
    """Count problems, tests, lengths, splits, difficulties and duplicates."""
    from trainer_client.data.formats import load
    from trainer_client.data.summary import Spread, summarize

    with _errors():
        summary = summarize(load(source, format, split))
    if as_json:
        typer.echo(summary.model_dump_json(indent=2))
        return
    rows = []
    for name, value in summary:
        shown = _spread(value) if isinstance(value, Spread) else _counted(value)
        rows.append((name.replace("_", " "), shown))
    _table(source, ("", ""), rows)


@app.command()
def decontaminate(
    source: Source,
    against: Annotated[list[str], typer.Option(help="An evaluation set; repeat for more.")],
    format: Format = None,
    split: Split = None,
    ngram: Ngram = 13,
    min_overlap: MinOverlap = 0.2,
    output: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the other problems to this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which problems overlap with evaluation sets. Exit status 1 if any does, 0 if the others
    were written to --output."""
    from trainer_client.data.formats import load
    from trainer_client.data.problem import save_problems
    from trainer_client.data.selection import select

    with _errors():
        filters = _filters(decontaminate=against, ngram=ngram, min_overlap=min_overlap)
        selection = select(load(source, format, split), filters)
    if output is not None:
        with _writing(output):
            save_problems(selection.kept, output)
    found = sorted(selection.overlaps, key=lambda overlap: -overlap.ratio)
    if as_json:
        report = {
            "problems": len(selection.kept),
            "overlaps": [asdict(overlap) for overlap in found],
        }
        typer.echo(json.dumps(report, indent=2))
    else:
        rows = [(o.id, o.with_id, o.kind, f"{o.ratio:.0%}", o.example) for o in found]
        _table("overlaps", ("problem", "holds of", "in its", "share", "such as"), rows)
        typer.echo(f"{source}: {selection}")
    raise typer.Exit(int(bool(found) and output is None))


# --- doing it ---------------------------------------------------------------------------


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """What is wrong with the data or the options, without a traceback."""
    from coderl.executors import failing
    from trainer_client.data.errors import DataError

    try:
        with failing("data"):
            yield
    except DataError as error:
        typer.echo(f"coderl data: {error}", err=True)
        raise typer.Exit(1 if error.rows else 2) from None


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}") from None


def _filters(**options: Any) -> "Filters":
    """``BadParameter`` where one is wrong; what was not given has its default."""
    from pydantic import ValidationError

    from trainer_client.config import Filters

    given = {name: value for name, value in options.items() if value not in (None, [])}
    try:
        return Filters.model_validate(given)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(reason) from None


def _of_split(problems: "list[Problem]", split: str | None) -> "list[Problem]":
    """All where there is none at all: then the rows' errors say more."""
    from trainer_client.data.problem import of_split

    return of_split(problems, split) if problems else problems


def _failed_references(
    problems: "Sequence[Problem]", url: str | None, runtime: str | None
) -> "list[FailedReference]":
    from rich.console import Console

    from coderl.executors import executor_config, with_client
    from trainer_client.data.references import failed_references

    config = executor_config(url, runtime)
    with Console(stderr=True).status("running the references") as status:
        return with_client(
            config,
            lambda client: failed_references(
                problems, client, lambda done: status.update(f"{done} references have run")
            ),
        )


# --- what came of it --------------------------------------------------------------------


def _validation(
    source: str,
    format: str,
    found: "Collection",
    problems: "Sequence[Problem]",
    failed: "Sequence[FailedReference] | None",
) -> dict[str, Any]:
    """``failed``: None where the references were not run."""
    report = {
        "source": source,
        "format": format,
        "problems": len(problems),
        "other_tasks": found.other_tasks,
        "bad_rows": [asdict(row) for row in found.bad_rows],
        "more_errors": found.more_errors,
    }
    if failed is not None:
        report["references"] = sum(p.reference is not None for p in problems)
        report["failed_references"] = [asdict(one) for one in failed if one.judged]
        report["references_without_verdict"] = [asdict(one) for one in failed if not one.judged]
    return report


def _errors_in(report: dict[str, Any]) -> int:
    errors: int = len(report["bad_rows"]) + report["more_errors"]
    return errors


def _conversion(found: "Collection", selection: "Selection") -> dict[str, Any]:
    return {
        "problems": len(selection.kept),
        "dropped": selection.dropped,
        "bad_rows": len(found.bad_rows) + found.more_errors,
        "overlaps": [asdict(overlap) for overlap in selection.overlaps],
    }


# --- printing ---------------------------------------------------------------------------


def _print_validation(report: dict[str, Any]) -> None:
    rows = [(str(row["row"]), row["message"]) for row in report["bad_rows"]]
    _table("rows that are not valid", ("row", "why"), rows, report["more_errors"])
    for title, kind in (
        ("that do not pass", "failed_references"),
        ("without a verdict", "references_without_verdict"),
    ):
        tests = [
            (one["id"], str(one["verdict"]), str(one["test"]), one["why"])
            for one in report.get(kind, ())
        ]
        _table(f"references {title}", ("problem", "verdict", "test", "why"), tests)
    typer.echo(", ".join(_in_short(report)))


def _in_short(report: dict[str, Any]) -> Iterator[str]:
    yield f"{report['source']}, format {report['format']}: {report['problems']} problems"
    yield f"{_errors_in(report)} errors"
    if report["other_tasks"]:
        yield f"{report['other_tasks']} rows of other tasks"
    if "references" in report:
        wrong, unjudged = report["failed_references"], report["references_without_verdict"]
        yield f"{len(wrong)} of {report['references']} references do not pass"
        if unjudged:
            yield f"{len(unjudged)} have no verdict"


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], more: int = 0
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from coderl.traces import visible

    if not rows:
        return
    table = Table(title=Text(title), show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows[:ROWS_SHOWN]:
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console(highlight=False).print(table)
    if hidden := max(0, len(rows) - ROWS_SHOWN) + more:
        typer.echo(f"and {hidden} more")


def _spread(value: "Spread") -> str:
    numbers = (f"{number:,.10g}" for number in (value.least, value.median, value.most, value.total))
    return "least {}, median {}, most {}, {} in all".format(*numbers)


def _counted(value: dict[str, int] | list[list[str]] | int) -> str:
    if isinstance(value, dict):
        shown = [f"{name}: {count:,}" for name, count in list(value.items())[:12]]
        return "\n".join([*shown, *(["…"] if len(value) > 12 else [])])
    if isinstance(value, list):
        return "\n".join([", ".join(ids) for ids in value[:12]] or ["none"])
    return f"{value:,}"
