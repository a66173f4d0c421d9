"""Held-out evaluation through the executor: writing programs, and predicting what they compute.

Both evaluations keep one number a case, so that two checkpoints on the same cases can be
compared pair by pair (``trainer_client.statistics``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from executor_api.wire import ExecuteProgram, ExecuteResult
from trainer_client.alignment.formats import AlignmentFormat
from trainer_client.alignment.questions import Rollout
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.alignment.scoring import exact_fraction
from trainer_client.client.types import Executor
from trainer_client.data.problem import Problem
from trainer_client.data.rows import prompt
from trainer_client.extraction import Extract, raw
from trainer_client.generation import Sampling, complete

__all__ = [
    "Answers",
    "Programs",
    "ask",
    "write_programs",
]

T = TypeVar("T")
DEADLINE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Programs:
    """What the model wrote: the judged programs of each problem."""

    rollouts: list[list[Rollout]]

    @property
    def pass_rates(self) -> list[float]:
        """For each problem the share of its programs that pass, the estimate of pass@1.

        Programs without a verdict do not count. ``ValueError`` where a
        problem has no verdict at all: an evaluation with holes is none.
        """
        return [_pass_rate(rollouts) for rollouts in self.rollouts]

    @property
    def judged(self) -> set[int]:
        """The positions of the problems that have a verdict."""
        return {n for n, of in enumerate(self.rollouts) if any(r.result.judged for r in of)}

    def only(self, positions: Iterable[int]) -> "Programs":
        """Those of these problems, in order."""
        return Programs([self.rollouts[n] for n in sorted(positions)])


@dataclass(frozen=True, slots=True)
class Answers:
    """What the model said of each question's variables, ``None`` where it said nothing."""

    given: list[dict[str, str] | None]
    fractions: list[float]
    """Share of a question's variables that are right, strictly compared."""

    @property
    def exact(self) -> list[float]:
        """1 where every variable of the question is right."""
        return [float(fraction == 1.0) for fraction in self.fractions]


async def write_programs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    executor: Executor,
    sampling: Sampling,
    extract: Extract = raw,
) -> Programs:
    """Sample programs for problems whose statement is text, and run their tests.

    A completion without a program counts as the empty program. Raises ``ExecutorError`` where
    the executor does not answer.
    """
    owners = [problem for problem in problems for _ in range(sampling.samples)]
    completions = complete(model, tokenizer, [str(prompt(p, "text")) for p in owners], sampling)
    written = [
        problem.program(extract(completion) or "")
        for problem, completion in zip(owners, completions, strict=True)
    ]
    results = await _execute(executor, written)
    rollouts = [
        Rollout(program.id, program.code, program.tests, result)
        for program, result in zip(written, results, strict=True)
    ]
    return Programs(_grouped(rollouts, sampling.samples))


async def _execute(executor: Executor, written: Sequence[ExecuteProgram]) -> list[ExecuteResult]:
    """Each different program of a problem once: a policy repeats itself."""
    distinct = {(program.id, program.code): program for program in written}
    answered = await executor.execute(list(distinct.values()), deadline_seconds=DEADLINE_SECONDS)
    results = dict(zip(distinct, answered, strict=True))
    return [results[program.id, program.code] for program in written]


def ask(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[AlignmentSample],
    style: AlignmentFormat,
    sampling: Sampling,
) -> Answers:
    """Put each question once, decoded as ``sampling`` says, and score the answers strictly."""
    prompts = [style.prompt(question) for question in questions]
    texts = [prompt for prompt in prompts if isinstance(prompt, str)]
    if len(texts) != len(prompts):
        raise ValueError("the alignment format writes conversations; this evaluation needs text")
    completions = complete(model, tokenizer, texts, sampling)
    given = [style.parse(c, q) for c, q in zip(completions, questions, strict=True)]
    scores = [exact_fraction(g, q.answers) for g, q in zip(given, questions, strict=True)]
    return Answers(given, scores)


def _pass_rate(rollouts: Sequence[Rollout]) -> float:
    judged = [rollout for rollout in rollouts if rollout.result.judged]
    if not judged:
        endings = ", ".join(sorted({rollout.result.verdict for rollout in rollouts}))
        raise ValueError(
            f"problem {rollouts[0].problem_id!r} has no verdict: all of its {len(rollouts)} "
            f"programs ended in {endings}; look at the executor's log and evaluate again"
        )
    return sum(rollout.passed for rollout in judged) / len(judged)


def _grouped(items: Sequence[T], size: int) -> list[list[T]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
