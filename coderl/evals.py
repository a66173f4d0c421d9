"""``coderl eval``: a model, or somebody's completions, on a benchmark; two results compared."""

import os
import re
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coderl.options import Json, Runtime, Url

if TYPE_CHECKING:
    from trainer_client.config import ExecutorConfig
    from trainer_client.evals.benchmarks import Benchmark, Questions
    from trainer_client.evals.comparison import Comparison
    from trainer_client.evals.results import Results
    from trainer_client.evals.runs import Evaluation, Model, Subject

app = typer.Typer(
    no_args_is_help=True,
    help="Evaluate a model, or completions in a file, on a benchmark: see docs/evaluation.md.",
)

ABOUT = {
    "humaneval": "HumanEval: complete a function.",
    "mbpp": "MBPP: a function from a sentence.",
    "leetcode": "LeetCodeDataset: a method of Solution.",
    "livecodebench": "LiveCodeBench, code generation.",
    "livecodebench-execution": "LiveCodeBench, code execution: what a call returns.",
    "livecodebench-test-output": "LiveCodeBench, test output prediction, from a statement alone.",
    "cruxeval-i": "CRUXEval: an input that leads to an output.",
    "cruxeval-o": "CRUXEval: the output of an input.",
    "reval": "REval: lines, states, paths and outputs of a run, and their consistency.",
    "problems": "Problems in a file: --data FILE.",
    "micro": "Held-out problems of the micro family.",
}
"""The benchmarks: here, so that the command line need not import them to name them."""

SEVERAL_TEMPERATURE = 0.8
"""Where several samples are asked for and no temperature."""
_SHOWN = 20


def evaluate(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Option(help="Hub name, directory, GGUF file, package:NAME, or micro."),
    ] = None,
    completions: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help='Grade this file: {"task_id", "completion"} a line; also .gz.',
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="A file, a folder, or a data set of the hub.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of the data.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many problems.")] = None,
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Of each problem.")] = 1,
    temperature: Annotated[
        float | None,
        typer.Option(min=0, help="0 is greedy, the default; of several samples 0.8."),
    ] = None,
    top_p: Annotated[float, typer.Option(min=0.01, max=1, help="Of nucleus sampling.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of sampling.")] = 0,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Of a completion; the default is the benchmark's.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Completions drawn at one time.")] = 16,
    style: Annotated[
        str | None, typer.Option(help="chat or text; chat for models with a chat template.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    cot: Annotated[bool, typer.Option("--cot", help="Prompts that ask to reason first.")] = False,
    scoring: Annotated[
        str, typer.Option(help="Of predicted outputs: run (Python's ==) or strict (typed).")
    ] = "run",
    k: Annotated[str | None, typer.Option(help="Of pass@k, as in 1,10.")] = None,
    output: Annotated[
        Path | None, typer.Option(file_okay=False, help="Directory of the results.")
    ] = None,
    url: Url = None,
    runtime: Runtime = None,
    sandboxes: Annotated[int | None, typer.Option(min=1, help="Of the same.")] = None,
    as_json: Json = False,
) -> None:
    """Exit status 1 where it failed or samples are without a verdict, 2 for wrong usage."""
    from coderl.executors import executor_config
    from trainer_client.evals.benchmarks import (
        BENCHMARKS,
        REASONING_TOKENS,
        Options,
        load_questions,
    )

    benchmark = BENCHMARKS[str(context.command.name)]
    with _failures():
        options = Options(data, split, limit, cot, _choice("--scoring", scoring, SCORINGS))
        drawn = {
            "samples": samples,
            "temperature": temperature,
            "top_p": top_p,
            "max_new_tokens": max_new_tokens or (REASONING_TOKENS if cot else benchmark.tokens),
            "batch": batch,
            "seed": seed,
        }
        subject = _subject(model, completions, limit, style, dtype, drawn)
        ks = _ks(k)
        directory = output or _directory(benchmark.name, str(model or completions))
        executor = executor_config(url, runtime, sandboxes)
        questions = load_questions(benchmark, options)
        found = _run(benchmark, questions, subject, ks, executor, directory)
    _show(found.results, directory, as_json)
    raise typer.Exit(1 if found.results.without_verdict else 0)


for _name, _about in ABOUT.items():
    app.command(_name, help=_about)(evaluate)


@app.command("compare")
def compare_results(
    before: Annotated[Path, typer.Argument(exists=True, help="A results directory.")],
    after: Annotated[Path, typer.Argument(exists=True, help="Another, of the same problems.")],
    as_json: Json = False,
) -> None:
    """Compare two results problem by problem: paired difference, exact test, what changed."""
    from trainer_client.evals.comparison import compare
    from trainer_client.evals.results import load_results

    with _failures():
        comparison = compare(load_results(before), load_results(after))
    if as_json:
        typer.echo(comparison.model_dump_json(indent=1))
    else:
        print_comparison(comparison)


# --- what was asked for -----------------------------------------------------------------

SCORINGS = ("run", "strict")
STYLES = ("chat", "text")
DTYPES = ("auto", "float32", "bfloat16")


def _choice(option: str, given: str, known: tuple[str, ...]) -> Any:
    if given not in known:
        reason = f"{given!r} is not one of {', '.join(known)}"
        raise typer.BadParameter(reason, param_hint=option)
    return given


def _subject(
    model: str | None,
    completions: Path | None,
    limit: int | None,
    style: str | None,
    dtype: str,
    drawn: dict[str, Any],
) -> "Subject":
    match model, completions:
        case str() as name, None:
            chosen = _choice("--style", style, STYLES) if style else None
            return _model(name, chosen, _choice("--dtype", dtype, DTYPES), drawn)
        case None, Path() as file:
            return _file(file, limit)
        case _:
            raise typer.BadParameter("give exactly one of --model and --completions")


def _file(completions: Path, limit: int | None) -> Path:
    if limit is not None:
        raise typer.BadParameter("is of models: the file says what there is", param_hint="--limit")
    return completions


def _model(name: str, style: Any, dtype: Any, drawn: dict[str, Any]) -> "Model":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as transformers_logging

    from trainer_client.evals.runs import Model
    from trainer_client.generation import Sampling

    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    temperature = _temperature(drawn["samples"], drawn["temperature"])
    return Model(name, Sampling(**drawn | {"temperature": temperature}), style, dtype)


def _temperature(samples: int, given: float | None) -> float:
    if given is None:
        return SEVERAL_TEMPERATURE if samples > 1 else 0.0
    if given == 0 and samples > 1:
        reason = f"0 is greedy: {samples} samples would all be the same"
        raise typer.BadParameter(reason, param_hint="--temperature")
    return given


def _ks(given: str | None) -> list[int] | None:
    if given is None:
        return None
    parts = [part.strip() for part in given.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        reason = f"{given!r} is not of the form 1,10: whole numbers from 1, with commas"
        raise typer.BadParameter(reason, param_hint="--k")
    return sorted({int(part) for part in parts})


def _directory(benchmark: str, subject: str) -> Path:
    """``eval_results/BENCHMARK-SUBJECT-TIME``: never that of an earlier evaluation."""
    name = re.sub(r"(\.jsonl|\.gz)+$", "", subject.rstrip("/").rpartition("/")[2])
    slug = re.sub(r"[^\w.]+", "-", name).strip("-")
    return Path("eval_results") / f"{benchmark}-{slug}-{time.strftime('%Y%m%d-%H%M%S')}"


def _failures() -> AbstractContextManager[None]:
    from coderl.executors import failing
    from trainer_client.config import ConfigError
    from trainer_client.data.errors import DataError
    from trainer_client.evals.cases import EvalError

    return failing("eval", (EvalError, DataError, ConfigError))


# --- doing it ---------------------------------------------------------------------------


def _run(
    benchmark: "Benchmark",
    questions: "Questions",
    subject: "Subject",
    ks: list[int] | None,
    executor: "ExecutorConfig",
    directory: Path,
) -> "Evaluation":
    """Evaluate and write the results. The completions are written before they are judged, so
    that none is lost: ``--completions DIRECTORY/samples.jsonl`` judges them again."""
    from coderl.executors import with_client
    from trainer_client.config import ConfigError
    from trainer_client.evals.cases import EvalError
    from trainer_client.evals.report import write_completions, write_evaluation
    from trainer_client.evals.runs import evaluate

    log = directory / "executor.log"
    try:
        with Console(stderr=True).status("…") as status:
            found = with_client(
                executor,
                lambda client: evaluate(
                    benchmark,
                    questions,
                    subject,
                    client,
                    ks=ks,
                    keep=lambda completions: write_completions(completions, directory),
                    progress=lambda what, n, of: status.update(f"{what}: {n} of {of}"),
                ),
                log,
            )
    except (ConfigError, EvalError):
        _leave_no_trace(log)
        raise
    write_evaluation(found.results, found.samples, directory)
    return found


def _leave_no_trace(log: Path) -> None:
    """Of an evaluation that was asked for wrongly, unless it got as far as completions."""
    log.unlink(missing_ok=True)
    with suppress(OSError):
        log.parent.rmdir()


# --- printing ---------------------------------------------------------------------------


def _show(results: "Results", directory: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(results.model_dump_json(indent=1))
    else:
        print_results(results, directory)


def print_results(results: "Results", directory: Path) -> None:
    from trainer_client.pages import estimate

    console = Console(highlight=False)
    table = Table(title=Text(f"{results.benchmark}: {results.subject}"), title_justify="left")
    for column in ("metric", "value [95 % interval]", "problems"):
        table.add_column(column)
    for metric in results.metrics:
        name = f"{metric.name}, {metric.of}" if metric.of else metric.name
        table.add_row(Text(name), Text(estimate(metric.value)), str(metric.problems))
    console.print(table)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in results.verdicts.items())
    console.print(Text(f"samples: {verdicts}"))
    for warning in results.warnings:
        console.print(Text(f"note: {warning}", style="yellow"))
    console.print(Text(f"{results.seconds:g} s; {directory / 'report.html'}"))


def print_comparison(comparison: "Comparison") -> None:
    from trainer_client.pages import estimate

    console = Console(highlight=False)
    console.print(Text(f"{comparison.benchmark}: {comparison.before} → {comparison.after}"))
    table = Table("", "pass@1", "")
    table.add_row("before", f"{comparison.rate_before:.3f}", Text(comparison.before))
    table.add_row("after", f"{comparison.rate_after:.3f}", Text(comparison.after))
    difference = Text(estimate(comparison.difference, signed=True))
    table.add_row("difference", difference, "paired, 95 % interval")
    console.print(table)
    console.print(Text(f"{_counts(comparison)}. {comparison.conclusion.capitalize()}."))
    for warning in comparison.warnings:
        console.print(Text(f"note: {warning}", style="yellow"))
    if comparison.changes:
        console.print(_changes(comparison))


def _counts(comparison: "Comparison") -> str:
    c = comparison
    counts = f"{c.problems} problems: {c.better} better, {c.worse} worse; "
    if c.clusters < c.problems:
        counts += f"{c.clusters} clusters: {c.clusters_better} better, {c.clusters_worse} worse; "
    return counts + (c.test if c.p is None else f"{c.test}: p = {c.p:.3g}")


def _changes(comparison: "Comparison") -> Table:
    shown = comparison.changes[:_SHOWN]
    more = len(comparison.changes) - len(shown)
    title = f"Changed problems{f' (and {more} more: --json)' if more else ''}"
    table = Table(title=title, title_justify="left")
    for column in ("problem", "before", "after", ""):
        table.add_column(column)
    for change in shown:
        colour = "green" if change.direction == "better" else "red"
        rates = (f"{change.before:.2f}", f"{change.after:.2f}")
        table.add_row(Text(change.id), *rates, Text(change.direction, style=colour))
    return table
