"""What a run directory shows: ``metrics.jsonl`` and ``samples.jsonl`` as the parts of a report."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from executor_api.wire import CallTest, StdioTest, TraceProgram, TraceResult
from trainer_client.alignment.calls import call_of
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.config import RECIPE_FILE
from trainer_client.report import (
    REPORT_FILE,
    Curve,
    Failure,
    Report,
    Rollout,
    Shares,
    TracedLine,
)
from trainer_client.step_lines import whole_lines
from trainer_client.training.callbacks import METRICS_FILE
from trainer_client.training.samples import AskedSample, CodeSample, FailedTest, read_samples
from trainer_client.views.replay import visits

__all__ = ["NoRun", "read_run", "request_trace", "traced"]

SHOWN = 4
"""Samples of each kind, of the first and of the last steps."""
VALUES = 3
"""Of one variable on one line of a trace: the first ones and the last."""

Logs = Sequence[Mapping[str, Any]]


class NoRun(ValueError):
    """This is not the directory of a run; the message says what is missing."""


def read_run(directory: Path) -> Report:
    """The report of a training run, from what it left. Raises ``NoRun``."""
    logs = _logs(directory / METRICS_FILE)
    try:
        samples = read_samples(directory)
    except ValueError as error:
        raise NoRun(str(error)) from None
    before = _evaluated(directory)
    return Report(
        title=before.title or f"Training run {directory.resolve().name}",
        facts=before.facts | _facts(directory, logs),
        rows=before.rows,
        failures=before.failures,
        curves=curves(logs),
        verdicts=verdict_shares(logs),
        rollouts=[_rollout(s) for s in _ends(s for s in samples if isinstance(s, CodeSample))],
        questions=[_question(s) for s in _ends(s for s in samples if isinstance(s, AskedSample))],
    )


def _evaluated(directory: Path) -> Report:
    """What an evaluation of this run, such as the demo's, has written already."""
    written = directory / REPORT_FILE
    log = directory / METRICS_FILE
    if not written.is_file() or written.stat().st_mtime_ns < log.stat().st_mtime_ns:
        return Report(title="")
    try:
        return Report.model_validate_json(written.read_text(encoding="utf-8"))
    except ValueError:
        return Report(title="")  # of another version: the page can be made without it


def _logs(path: Path) -> Logs:
    if not path.is_file():
        raise NoRun(f"{path} is missing: give the output_dir of a run of `coderl train`")
    try:
        return [dict(json.loads(line)) for line in whole_lines(path)]
    except (ValueError, TypeError) as error:
        raise NoRun(f"{path} is no log of a run: {error}") from None


def _facts(directory: Path, logs: Logs) -> dict[str, str]:
    """What the recipe and the log say of the whole run, as far as they do."""
    facts = {"steps": str(max((log["step"] for log in logs), default=0))}
    recipe_file = directory / RECIPE_FILE
    if recipe_file.is_file():
        recipe = yaml.safe_load(recipe_file.read_text(encoding="utf-8"))
        model, alignment = recipe["model"], recipe["alignment"]
        name = model.get("path") or model.get("package") or model.get("file")
        facts["model"] = str(name or model["type"])
        facts["alignment"] = alignment["mode"] if alignment["enabled"] else "off"
        facts["seed"] = str(recipe["seed"])
    seconds = [log["train_runtime"] for log in logs if "train_runtime" in log]
    if seconds:
        facts["minutes"] = f"{sum(seconds) / 60:.1f}"
    tokens = [log["tokens/generated"] for log in logs if log.get("tokens/generated")]
    if tokens:
        facts["generated tokens"] = f"{tokens[-1]:,.0f}"
    waits = [log["executor/wait_share"] for log in logs if "executor/wait_share" in log]
    if waits:
        facts["waiting for the executor"] = f"{sum(waits) / len(waits):.1%}"
    return facts


# --- figures --------------------------------------------------------------------------------

_CURVES = (
    ("code/pass_rate", "pass rate", "programs: pass rate in training"),
    ("eval_code/pass_rate", "held out", "programs: pass rate in training"),
    ("alignment/reward", "variables right", "questions: share right in training"),
    ("alignment/exact", "all variables right", "questions: share right in training"),
    ("executor/latency_seconds", "verdicts, latency", "executor: seconds a step"),
    ("executor/wait_seconds", "waited for", "executor: seconds a step"),
    ("tokens/code", "programs", "generated tokens a step"),
    ("tokens/alignment", "answers", "generated tokens a step"),
    ("tokens/per_second", "in a second", "generated tokens a second"),
)
_VERDICT = "code/verdict/"


def curves(logs: Logs) -> list[Curve]:
    """Both objectives, the executor, the tokens; only what was logged."""
    found = []
    for name, label, panel in _CURVES:
        points = [(log["step"], log[name]) for log in logs if log.get(name) is not None]
        if points:
            steps, values = zip(*points, strict=True)
            found.append(Curve(label=label, panel=panel, steps=list(steps), values=list(values)))
    return found


def verdict_shares(logs: Logs) -> Shares | None:
    """Of the code rollouts of each step, the share of each verdict; the most frequent first."""
    steps = [log for log in logs if any(name.startswith(_VERDICT) for name in log)]
    if not steps:
        return None
    names = {name for log in steps for name in log if name.startswith(_VERDICT)}
    shares = {}
    for name in names:
        totals = [sum(v for k, v in log.items() if k.startswith(_VERDICT)) for log in steps]
        counts = [log.get(name, 0.0) for log in steps]
        shares[name.removeprefix(_VERDICT)] = [
            count / total for count, total in zip(counts, totals, strict=True)
        ]
    ordered = sorted(shares, key=lambda name: (name != "accepted", -sum(shares[name]), name))
    return Shares(steps=[log["step"] for log in steps], of={n: shares[n] for n in ordered})


# --- samples --------------------------------------------------------------------------------


def _ends(samples: Iterable[Any]) -> list[Any]:
    """The first ones and the last ones: what changed."""
    every = list(samples)
    return every if len(every) <= 2 * SHOWN else [*every[:SHOWN], *every[-SHOWN:]]


def _rollout(sample: CodeSample) -> Rollout:
    return Rollout(
        step=sample.step,
        prompt=sample.prompt.rstrip(),
        completion=sample.completion.rstrip(),
        verdict=sample.verdict,
        reward=sample.reward,
        failed=_failed(sample.failed) if sample.failed else {},
        sample=sample,
    )


def _failed(failed: FailedTest) -> dict[str, str]:
    """The failed test as people read it: name → text."""
    test = failed.test
    shown = {"input": "", "expected": "", "got": failed.got.rstrip()}
    if test is None:
        shown["input"] = "(too long to keep)"
    elif isinstance(test, StdioTest):
        shown |= {"input": test.stdin, "expected": test.stdout}
    elif isinstance(test, CallTest):
        asked = AlignmentSample(program="", variables={}, call=call_of(test))
        expected = test.expected_literal or repr(test.expected)
        shown |= {"input": asked.input_text, "expected": expected}
    else:
        shown["input"] = test.code
    return {name: text.rstrip() for name, text in shown.items() if text.strip()}


def _question(sample: AskedSample) -> Failure:
    return Failure(
        statement="",
        program=sample.program.rstrip(),
        verdict="",
        call=sample.input.rstrip(),
        answer={name: (sample.given or {}).get(name) for name in sample.answers},
        truth=sample.answers,
        step=sample.step,
    )


# --- traces ---------------------------------------------------------------------------------


def request_trace(rollout: Rollout) -> TraceProgram | None:
    """The run of a failed program on the input it failed on; None where that is not kept, or is
    in a piece of test code."""
    sample = rollout.sample
    if sample is None or sample.program is None or sample.failed is None:
        return None
    id = f"{sample.step}/{sample.problem_id}"
    test = sample.failed.test
    if isinstance(test, StdioTest):
        return TraceProgram(id=id, code=sample.program, stdin=test.stdin)
    call = call_of(test) if test else None
    return TraceProgram(id=id, code=sample.program, call=call) if call else None


def traced(code: str, trace: TraceResult) -> list[TracedLine]:
    """Each line of the source with what its visits left."""
    seen: dict[int, dict[str, list[str]]] = {}
    counts: dict[int, int] = {}
    for visit in visits(trace):
        counts[visit.line] = counts.get(visit.line, 0) + 1
        for name, value in visit.changes().items():
            if value.startswith("<function "):
                continue  # a definition: its line says so
            seen.setdefault(visit.line, {}).setdefault(name, []).append(value)
    raised = trace.exception.line if trace.exception else None
    return [
        TracedLine(
            text=text,
            visits=counts.get(number, 0),
            values={name: _some(values) for name, values in seen.get(number, {}).items()},
            raised=number == raised,
        )
        for number, text in enumerate(code.splitlines(), 1)
    ]


def _some(values: Sequence[str]) -> str:
    kept = [*values[: VALUES - 1], "…", values[-1]] if len(values) > VALUES else values
    return ", ".join(kept)
