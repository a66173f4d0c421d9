"""One evaluation from its questions to its results: ask, judge, count.

Simplifications: a model generates all its completions before the first is judged (the executor is
far quicker); one process and one device. A larger model is served elsewhere, and its completions
graded from a file.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer_client.client import ExecutorClient
from trainer_client.client.answers import NoVerdicts
from trainer_client.evals import reval
from trainer_client.evals.benchmarks import Benchmark, Questions
from trainer_client.evals.cases import Case, EvalError
from trainer_client.evals.completions import read_completions
from trainer_client.evals.grading import DEADLINE_SECONDS, Completion, grade
from trainer_client.evals.metrics import compute_metrics
from trainer_client.evals.results import NO_VERDICT, Problem, Results, Sample, summarise

if TYPE_CHECKING:
    from trainer_client.evals.models import Dtype, Style
    from trainer_client.generation import Sampling

__all__ = ["Evaluation", "Model", "Subject", "evaluate"]

KS = (1, 5, 10, 100)
Progress = Callable[[str, int, int], None]
"""Told what is being done, and how much of how much has been."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is asked."""

    name: str
    sampling: "Sampling"
    style: "Style | None" = None
    """None: chat for a model with a chat template."""
    dtype: "Dtype" = "auto"


Subject = Model | Path
"""A model, or a file of completions."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    results: Results
    samples: list[Sample] = field(repr=False)


async def evaluate(
    benchmark: Benchmark,
    questions: Questions,
    subject: Subject,
    executor: ExecutorClient,
    *,
    ks: Sequence[int] | None = None,
    keep: Callable[[Sequence[Completion]], None] = lambda completions: None,
    progress: Progress = lambda what, done, total: None,
) -> Evaluation:
    """Ask the questions, or take the answers from a file, and judge them.

    Args:
        ks: of pass@k; those of 1, 5, 10 and 100 that there are samples for where None.
        keep: is given the completions before they are judged.

    Raises ``EvalError``, ``DataError`` and ``ConfigError`` for what was asked for,
    ``ExecutorError`` and ``NoVerdicts`` where the executor failed.
    """
    if isinstance(subject, Model):
        _check_ks(ks, subject.sampling.samples)
    began, started = time.monotonic(), datetime.now(UTC)
    version = await executor.version()
    cases, warnings = questions.cases, list[str]()
    if questions.runs:
        progress("tracing programs", 0, len(questions.runs))
        cases, warnings = await reval.probe_cases(questions.runs, executor, DEADLINE_SECONDS)
    completions, said, sampling = _completions(subject, cases, progress)
    _check_ks(ks, max(Counter(case.id for case, _ in completions).values()))
    keep(completions)
    samples = await grade(completions, executor, lambda d, n: progress("running programs", d, n))
    lost = _lost(samples)
    problems = summarise(cases, samples)
    ks = _default_ks(problems) if ks is None else list(ks)
    metrics, missing = compute_metrics(benchmark.name, problems, ks)
    results = Results(
        benchmark=benchmark.name,
        subject=str(subject) if isinstance(subject, Path) else subject.name,
        data=_data(questions, cases, len(problems)),
        sampling=sampling,
        executor=version.model_dump(include={"service", "runtime", "runtime_version"}),
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 1),
        ks=ks,
        metrics=metrics,
        verdicts=dict(Counter(sample.verdict for sample in samples).most_common()),
        warnings=[*warnings, *said, *lost, *missing],
        problems=problems,
    )
    return Evaluation(results, samples)


def _check_ks(ks: Sequence[int] | None, most: int) -> None:
    """Before hours are spent on samples that are too few."""
    if ks is not None and max(ks) > most:
        raise EvalError(
            f"--k is {max(ks)}, but no problem has more than {most} samples: draw more (--samples) "
            "or ask for a smaller k"
        )


def _default_ks(problems: Sequence[Problem]) -> list[int]:
    fewest = min(len(problem.verdicts) for problem in problems)
    return [k for k in KS if k <= fewest]


def _completions(
    subject: Subject, cases: Sequence[Case], progress: Progress
) -> tuple[list[Completion], list[str], dict[str, Any]]:
    """The completions, warnings, and how they were drawn."""
    if isinstance(subject, Path):
        given, said = read_completions(subject, cases)
        return given, said, {}
    from trainer_client.evals.models import complete_prompts, load_model, style_of

    progress("loading the model", 0, 1)
    policy = load_model(subject.name, subject.dtype)
    style = subject.style or style_of(policy[1])
    sampling = subject.sampling
    total = len(cases) * sampling.samples
    cut: list[int] = []
    texts = complete_prompts(
        policy,
        [case.prompt for case in cases],
        style,
        sampling,
        lambda done: progress("writing completions", done, total),
        cut.append,
    )
    owners = [case for case in cases for _ in range(sampling.samples)]
    drawn = {
        "style": style,
        "samples": sampling.samples,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_new_tokens": sampling.max_new_tokens,
        "batch": sampling.batch,
        "seed": sampling.seed,
        "dtype": str(policy[0].dtype).removeprefix("torch."),
    }
    return list(zip(owners, texts, strict=True)), _cut(sum(cut), total, sampling), drawn


def _cut(count: int, total: int, sampling: "Sampling") -> list[str]:
    if not count:
        return []
    return [
        f"{count} of {total} completions were cut at {sampling.max_new_tokens} tokens: what would "
        "have come later does not count (--max-new-tokens)"
    ]


def _data(questions: Questions, cases: Sequence[Case], answered: int) -> dict[str, Any]:
    counts = {"problems": questions.of, "cases": len(cases), "answered": answered}
    return {"source": questions.source, **_digest(questions.source), **counts, **questions.chosen}


def _digest(source: str) -> dict[str, str]:
    """Of a file, so that results can be told to be of the same data."""
    if not Path(source).is_file():
        return {}
    with Path(source).open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _lost(samples: Sequence[Sample]) -> list[str]:
    lost = [sample for sample in samples if sample.verdict == NO_VERDICT]
    if not lost:
        return []
    if len(lost) == len(samples):
        raise NoVerdicts(
            f"the executor judged none of {len(samples)} samples ({lost[0].message}); look at its "
            "log, and judge samples.jsonl of the output directory again with --completions"
        )
    return [
        f"{len(lost)} of {len(samples)} samples have no verdict, because the executor failed on "
        f"them ({lost[0].message}): they count neither as right nor as wrong"
    ]
