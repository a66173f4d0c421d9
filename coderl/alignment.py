"""``coderl alignment show``: the questions a run asked, with the answers and what they earned."""

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from trainer_client.alignment.scoring import strict_equal
from trainer_client.alignment.store import FILE_NAME, Asked, SampleStore

SHOWN_ANSWERS = 3


def chosen(run: Path, step: int | None, id: str | None, limit: int) -> list[Asked]:
    """The last ``limit`` questions of a run that match."""
    store = SampleStore(run)
    if not store.path.is_file():
        raise typer.BadParameter(
            f"{run} has no {FILE_NAME}: name the output_dir of a run with alignment enabled"
        )
    try:
        found = [
            asked
            for asked in store
            if step in (None, asked.step) and (id is None or asked.sample.id.startswith(id))
        ]
    except ValueError as error:
        raise typer.BadParameter(f"{store.path} is malformed: {error}") from None
    if not found:
        raise typer.BadParameter(f"{store.path}: no question with step {step} and id {id}")
    return found[-limit:]


def print_json(asked: list[Asked]) -> None:
    for one in asked:
        typer.echo(json.dumps({"id": one.sample.id, **one.model_dump(mode="json")}))


def print_questions(asked: list[Asked]) -> None:
    console = Console()
    for one in asked:
        console.print(_question(one))


def _question(asked: Asked) -> Panel:
    sample = asked.sample
    grid = Table.grid(padding=(1, 0))
    grid.add_row(Syntax(sample.program.rstrip(), "python", background_color="default"))
    grid.add_row(Text(f"input: {sample.input_text!r}" if sample.stdin else sample.input_text))
    grid.add_row(_answers(asked))
    mean = sum(asked.rewards) / len(asked.rewards)
    title = f"step {asked.step}  {sample.id}  {sample.problem_id}"
    facts = (
        f"difficulty {sample.difficulty}  mean reward {mean:.3f} of {len(asked.rewards)} answers  "
        f"Python {sample.python}, {sample.tracer}"
    )
    return Panel(grid, title=Text(title), subtitle=Text(facts), title_align="left")


def _answers(asked: Asked) -> Table:
    table = Table("", "truth", *(f"{r:.2f}" for r in asked.rewards[:SHOWN_ANSWERS]), box=None)
    for name, truth in asked.sample.answers.items():
        cells = [_cell((given or {}).get(name), truth) for given in asked.given[:SHOWN_ANSWERS]]
        table.add_row(Text(name), Text(truth), *cells)
    return table


def _cell(given: str | None, truth: str) -> Text:
    if given is None:
        return Text("–", style="dim")
    return Text(given, style="green" if strict_equal(given, truth) else "red")


def check(asked: list[Asked], url: str | None, runtime: str | None) -> int:
    """Trace the programs again and compare; return how many questions have other answers now."""
    from coderl.executors import executor_config, failing, with_client
    from trainer_client.alignment.check import differences

    samples = [one.sample for one in asked]
    config = executor_config(url, runtime)
    with failing("alignment"):
        found = with_client(config, lambda client: differences(samples, client))
    for sample, changed in zip(samples, found, strict=True):
        for name, now in changed.items():
            typer.echo(f"{sample.id} {name}: was {sample.answers[name]}, is {now}")
    wrong = sum(map(bool, found))
    typer.echo(f"{len(samples)} questions traced again, {wrong} with other answers")
    return wrong
