"""``make demo``: train the micro model and show what that changed, in a few minutes on two cores.

It starts an executor in gVisor, evaluates the shipped checkpoint on held-out problems, trains it
with the recipe, and evaluates again on the same problems and questions. What it claims is what
the paired intervals of these numbers support.
"""

import asyncio
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from trainer_client.alignment.questions import Rollout, make_samples
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.client import ExecutorClient, ExecutorError
from trainer_client.client.answers import NoVerdicts
from trainer_client.config import ConfigError, Recipe, load_recipe
from trainer_client.data.problem import DataError, Problem
from trainer_client.evaluate import Answers, Programs, ask, write_programs
from trainer_client.generation import Sampling
from trainer_client.local_executor import ExecutorNotReady, check_given, running_executor
from trainer_client.micro.alignment import MicroFormat
from trainer_client.micro.family import Split
from trainer_client.micro.model import CHECKPOINT, load_model
from trainer_client.micro.problems import generate
from trainer_client.pages import estimate
from trainer_client.report import Failure, Report, Row, write_report
from trainer_client.run_report import read_run
from trainer_client.statistics import bootstrap, paired_difference

__all__ = ["main"]

RECIPE = Path("recipes/micro.yaml")
OUTPUT = Path("runs/demo")
HELD_OUT_SEED = 1_000_003
SAMPLED = Sampling(samples=2, temperature=1.0, max_new_tokens=48, seed=1)
GREEDY = Sampling(samples=1, temperature=0.0, max_new_tokens=48)
DRAWN = 200
"""Failed programs of the trained model that are asked about for the report."""
SHOWN = 6
_LEFT_OUT = "left out on both sides, without a verdict"

Policy = tuple[LlamaForCausalLM, PreTrainedTokenizerFast]


@dataclass(frozen=True, slots=True)
class Measured:
    """One checkpoint on the held-out problems."""

    sampled: Programs
    greedy: Programs


class Interrupted(Exception):
    """Training was: there is nothing to compare."""


def main(
    recipe: Annotated[Path, typer.Option(help="A recipe of the micro model.")] = RECIPE,
    problems: Annotated[int, typer.Option(min=1, help="Held-out problems.")] = 480,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Recipe fields: -- --grpo.max_steps 20")
    ] = None,
) -> None:
    """Train the micro model and print the held-out table before → after."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    console = Console()
    try:
        chosen = load_recipe(recipe, ["--output_dir", str(OUTPUT), *(overrides or [])])
        _clear(chosen)
        demo(chosen, problems, console)
    except (ConfigError, DataError, ExecutorError, ExecutorNotReady, NoVerdicts) as error:
        console.print(Text.assemble(("The demo cannot run: ", "bold red"), str(error)))
        if isinstance(error, ExecutorNotReady) and chosen.executor.url == "auto":
            console.print(
                "Untrusted programs run only inside gVisor: scripts/install-runsc.sh sets it up."
            )
        raise typer.Exit(1) from None
    except Interrupted as interrupted:
        console.print(f"{interrupted} Go on with: make demo ARGS='-- --resume'", highlight=False)
        raise typer.Exit(1) from None


def _clear(recipe: Recipe) -> None:
    """A demo that was interrupted left a checkpoint; the next one begins anew."""
    if recipe.output_dir == OUTPUT and not recipe.resume:
        for checkpoint in OUTPUT.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)


def demo(recipe: Recipe, count: int, console: Console) -> Report:
    """Evaluate, train, evaluate, report. Raises ``Interrupted``."""
    from trainer_client.training.planning import plan
    from trainer_client.training.train import run

    plan(recipe)  # what is wrong with it is said before anything starts
    check_given(recipe.executor)
    before = load_model(_start(recipe))
    began = time.monotonic()
    held_out = generate(Split.HELD_OUT, count, HELD_OUT_SEED)
    with running_executor(recipe.executor, recipe.output_dir / "executor.log") as urls:
        executor = recipe.executor.model_copy(update={"url": urls})
        recipe = recipe.model_copy(update={"executor": executor})
        with console.status(f"Evaluating the start on {count} held-out problems"):
            first = asyncio.run(_measure(before, held_out, recipe))
            questions = asyncio.run(_questions(first.sampled, recipe))
        trained = run(recipe)
        if trained.interrupted:
            raise Interrupted(f"Interrupted after step {trained.steps}.")
        after = load_model(recipe.output_dir)
        with console.status("Evaluating the trained model on the same problems"):
            second = asyncio.run(_measure(after, held_out, recipe))
            rows = [*_written(first, second), *_predicted(before, after, questions)]
            failures = asyncio.run(_failures(after, second.sampled, held_out, recipe))
    facts = _facts(recipe, trained.steps, before, len(held_out), time.monotonic() - began)
    if left_out := len(held_out) - len(_judged(first, second)):
        facts[_LEFT_OUT] = str(left_out)
    shown = {"title": "CodeRL+ on the micro family", "facts": facts, "rows": rows}
    report = read_run(recipe.output_dir).model_copy(update={**shown, "failures": failures})
    _show(report, write_report(report, recipe.output_dir), console)
    return report


# --- measuring ----------------------------------------------------------------------------


def _client(recipe: Recipe) -> ExecutorClient:
    return ExecutorClient(recipe.executor.url, recipe.executor.api_key)


async def _measure(policy: Policy, problems: Sequence[Problem], recipe: Recipe) -> Measured:
    async with _client(recipe) as client:
        sampled = await write_programs(*policy, problems, client, SAMPLED)
        greedy = await write_programs(*policy, problems, client, GREEDY)
    return Measured(sampled, greedy)


async def _questions(programs: Programs, recipe: Recipe) -> list[AlignmentSample]:
    """About failed programs, one a problem, so that the cases are independent."""
    failed = (next((r for r in rollouts if r.failed), None) for rollouts in programs.rollouts)
    return await _samples([rollout for rollout in failed if rollout], recipe)


async def _samples(rollouts: Sequence[Rollout], recipe: Recipe) -> list[AlignmentSample]:
    options = recipe.alignment.questions.model_copy(update={"max_traces": None})
    async with _client(recipe) as client:
        samples, _ = await make_samples(rollouts, client, options, step=0)
    return samples


def _written(first: Measured, second: Measured) -> list[Row]:
    kept = _judged(first, second)
    if not kept:
        return []
    rows = []
    for name, before, after, unit in (
        ("sampled", first.sampled, second.sampled, "held-out problems, at temperature 1"),
        ("greedy", first.greedy, second.greedy, "held-out problems"),
    ):
        rates = (before.only(kept).pass_rates, after.only(kept).pass_rates)
        rows.append(_row(f"pass@1 {name}", *rates, unit))
    return rows


def _judged(first: Measured, second: Measured) -> set[int]:
    """The problems that have a verdict on every side: the comparison is paired."""
    sides = (first.sampled, first.greedy, second.sampled, second.greedy)
    return set.intersection(*(side.judged for side in sides))


def _predicted(before: Policy, after: Policy, questions: Sequence[AlignmentSample]) -> list[Row]:
    """All of a program's variables right. Of few problems the start may fail none."""
    if not questions:
        return []
    about = "failed programs of the start"
    rows = []
    for name, how, unit in (
        ("variables sampled", SAMPLED, f"{about}, at temperature 1"),
        ("variables greedy", GREEDY, about),
    ):
        first, second = (_ask(policy, questions, how).exact for policy in (before, after))
        rows.append(_row(name, first, second, unit))
    return rows


def _ask(policy: Policy, questions: Sequence[AlignmentSample], how: Sampling = GREEDY) -> Answers:
    return ask(*policy, questions, MicroFormat(), how)


def _row(metric: str, before: list[float], after: list[float], unit: str) -> Row:
    return Row(
        metric=metric,
        before=bootstrap(before),
        after=bootstrap(after),
        difference=paired_difference(before, after),
        cases=len(before),
        unit=unit,
    )


async def _failures(
    policy: Policy,
    programs: Programs,
    problems: Sequence[Problem],
    recipe: Recipe,
) -> list[Failure]:
    """A few of the trained model's failed programs, drawn blindly, and its answers on them."""
    failed = [r for rollouts in programs.rollouts for r in rollouts if r.failed]
    drawn = random.Random(0).sample(failed, min(DRAWN, len(failed)))
    samples = (await _samples(drawn, recipe))[:SHOWN]
    answers = _ask(policy, samples) if samples else Answers([], [])
    statements = {problem.id: problem.prompt or "" for problem in problems}
    verdicts = {(r.problem_id, r.code): r.result.verdict for r in drawn}
    return [
        _failure(s, given, statements[s.problem_id], str(verdicts[s.problem_id, s.program]))
        for s, given in zip(samples, answers.given, strict=True)
    ]


def _failure(
    sample: AlignmentSample, given: dict[str, str] | None, statement: str, verdict: str
) -> Failure:
    return Failure(
        statement=statement.rstrip(),
        program=sample.program.rstrip(),
        verdict=verdict,
        call=sample.input_text,
        answer={name.removeprefix("f."): (given or {}).get(name) for name in sample.answers},
        truth={name.removeprefix("f."): value for name, value in sample.answers.items()},
    )


# --- reporting ----------------------------------------------------------------------------


def _facts(
    recipe: Recipe, steps: int, policy: Policy, problems: int, seconds: float
) -> dict[str, str]:
    return {
        "parameters": f"{policy[0].num_parameters():,}",
        "steps": str(steps),
        "held-out problems": str(problems),
        "seed": str(recipe.seed),
        "minutes": f"{seconds / 60:.1f}",
        "executor": recipe.executor.runtime,
    }


def _show(report: Report, page: Path, console: Console) -> None:
    console.print(_table(report.rows))
    if _LEFT_OUT in report.facts:
        console.print(f"  {_LEFT_OUT}: {report.facts[_LEFT_OUT]} problems", highlight=False)
    for row in report.rows:
        console.print(f"  {_claim(row)}", highlight=False)
    for failure in report.failures[:2]:
        console.print(_panel(failure))
    console.print(f"{report.facts['minutes']} minutes. Report: {page}", highlight=False)


def _table(rows: Sequence[Row]) -> Table:
    title = "Held-out, mean [95 % interval]; the difference is paired"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for column in ("metric", "n", "before", "after", "difference"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        numbers = (estimate(row.before), estimate(row.after), estimate(row.difference, signed=True))
        table.add_row(*(Text(cell) for cell in (row.metric, str(row.cases), *numbers)))
    return table


def _claim(row: Row) -> str:
    if row.conclusion == "no change shown":
        return f"{row.metric}: no change is shown; the interval of the difference holds zero."
    return f"{row.metric}: {row.conclusion}; the interval of the difference excludes zero."


def _panel(failure: Failure) -> Panel:
    table = Table("variable", "model's answer", "truth", "", box=None)
    for name, truth in failure.truth.items():
        mark = "[green]right[/]" if failure.is_right(name) else "[red]wrong[/]"
        table.add_row(Text(name), Text(failure.answer.get(name) or "–"), Text(truth), mark)
    code = Syntax(f"{failure.statement}\n{failure.program}", "python", background_color="default")
    asked = Text(f"\nWhat do its variables hold after {failure.call}?")
    title = f"A failed program ({failure.verdict}) and the question asked about it"
    return Panel(Group(code, asked, table), title=title, title_align="left")


def _start(recipe: Recipe) -> Path:
    if recipe.model.type != "micro":
        raise ConfigError(f"model.type is {recipe.model.type!r}: the demo needs 'micro'")
    return recipe.model.path or CHECKPOINT


if __name__ == "__main__":
    typer.run(main)
