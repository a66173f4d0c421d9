"""An evaluation's directory: numbers, samples, and reports to read.

``results.json``     everything that the numbers are computed from
``samples.jsonl``    each completion, what was read from it, and its verdict
``pass_rates.jsonl`` ``{"id", "passed", "samples"}`` a problem, for difficulty filters
``report.md`` ``report.html`` the same to read, the page self-contained
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trainer_client.evals.grading import Completion
from trainer_client.evals.results import RESULTS, Results, Sample, pass_rates
from trainer_client.pages import rendered

__all__ = ["write_completions", "write_evaluation"]

SHOWN = 40
"""Failed samples that the page shows; ``samples.jsonl`` has all."""


def write_evaluation(results: Results, samples: Sequence[Sample], directory: Path) -> None:
    """Write all files of an evaluation, which may replace those of an earlier one."""
    directory.mkdir(parents=True, exist_ok=True)
    _write_lines(directory / "samples.jsonl", (sample.model_dump() for sample in samples))
    rates = (rate.model_dump() for rate in pass_rates(results.problems))
    _write_lines(directory / "pass_rates.jsonl", rates)
    failed = [sample for sample in samples if not sample.passed]
    shown = {"facts": _facts(results), "failed": failed, "shown": failed[:SHOWN]}
    for kind in ("md", "html"):
        text = rendered(f"evaluation.{kind}", results=results, **shown)
        (directory / f"report.{kind}").write_text(text, encoding="utf-8")
    (directory / RESULTS).write_text(results.model_dump_json(indent=1), encoding="utf-8")


def write_completions(completions: Sequence[Completion], directory: Path) -> None:
    """``samples.jsonl`` before anything is judged."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = ({"id": case.id, "completion": text} for case, text in completions)
    _write_lines(directory / "samples.jsonl", rows)


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _facts(results: Results) -> dict[str, str]:
    """How the evaluation was made, to be read."""
    return {
        "subject": results.subject,
        **{name: str(value) for name, value in results.data.items()},
        **{name: str(value) for name, value in results.sampling.items()},
        **{name: str(value) for name, value in results.executor.items()},
        "started": results.started,
        "seconds": f"{results.seconds:g}",
    }
