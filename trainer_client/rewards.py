"""The rewards of both tasks, as TRL calls them.

A reward is ``None`` where there is no verdict (``sandbox_error``, or the executor could not be
reached) and on rows of the other task; TRL gives such a rollout the advantage 0 and leaves it out
of its group's mean. It is never 0: the policy must not learn from our failures.
"""

import importlib
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from executor_api.wire import ExecuteProgram, ExecuteResult, Verdict
from trainer_client._exceptions import ExecutorError, InvalidRequest, Unauthorized
from trainer_client.alignment.curriculum import Outcome
from trainer_client.alignment.formats import AlignmentFormat
from trainer_client.alignment.questions import Rollout
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.alignment.scoring import exact_fraction, paper_reward
from trainer_client.config import ConfigError
from trainer_client.data import rows

__all__ = [
    "AlignmentReward",
    "ExecutionReward",
    "Executor",
    "Extract",
    "NoVerdicts",
    "completion_text",
    "fenced",
    "fenced_blocks",
    "import_object",
    "raw",
    "resolve_extract",
]

Completion = str | list[dict[str, Any]]
Extract = Callable[[str], str | None]
"""A completion's text → the program in it, or None where there is none."""
Answer = ExecuteResult | ExecutorError
LogMetric = Callable[[str, float], None]
LogExtra = Callable[[str, list[Any]], None]


class NoVerdicts(RuntimeError):
    """The executor has judged nothing for several batches: training on would be pointless."""


class Executor(Protocol):
    """The part of ``ExecutorClient`` that is needed here."""

    async def execute(
        self, programs: Sequence[ExecuteProgram], *, return_exceptions: bool
    ) -> list[Answer]: ...


_FENCE = re.compile(r"^```[ \t]*(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def fenced(completion: str) -> str | None:
    """The last complete fenced Python block; an untagged one where none is tagged."""
    found = fenced_blocks(completion)
    return found[-1] if found else None


def fenced_blocks(completion: str) -> list[str]:
    """All complete fenced Python blocks; untagged ones where none is tagged."""
    blocks: list[tuple[str, str]] = _FENCE.findall(completion)
    tagged = [code for tag, code in blocks if tag.lower() in ("python", "py", "python3")]
    return tagged or [code for tag, code in blocks if not tag]


def raw(completion: str) -> str | None:
    """The completion as it stands."""
    return completion


def resolve_extract(name: str) -> Extract:
    """``fenced``, ``raw``, or the function that ``package.module:function`` names."""
    if name in ("fenced", "raw"):
        return fenced if name == "fenced" else raw
    return import_object("reward.extract", name)  # type: ignore[no-any-return]


def import_object(field: str, path: str) -> Any:
    """Import ``package.module:name``; raise ``ConfigError`` naming the field and the remedy."""
    module, colon, name = path.partition(":")
    try:
        if not colon:
            raise ImportError("it has no ':'")
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{field} is {path!r}: {error}; name an object as package.module:name"
        ) from None


def completion_text(completion: Completion) -> str:
    """The text of a completion, plain or conversational."""
    if isinstance(completion, str):
        return completion
    return "".join(str(message.get("content") or "") for message in completion)


class ExecutionReward:
    """Run each rollout of a code row on its tests.

    Args:
        executor: used in the event loop that calls the reward, and in no other.
        mode: ``binary``: 1 when all tests pass, else 0. ``fraction``: the share that passes.
        extract: how a completion becomes a program; a completion without one gets 0.
        patience: batches in a row without any verdict before ``NoVerdicts`` is raised.

    Raises ``InvalidRequest`` and ``Unauthorized`` at once: they are the recipe's to mend.
    """

    def __init__(
        self,
        executor: Executor,
        mode: Literal["binary", "fraction"] = "binary",
        extract: Extract = fenced,
        patience: int = 3,
    ) -> None:
        self.__name__ = "code"
        self._executor = executor
        self._mode = mode
        self._extract = extract
        self._patience = patience
        self._without_verdict = 0
        self._rollouts: list[Rollout] = []

    def take_rollouts(self) -> list[Rollout]:
        """The judged rollouts since the last call."""
        taken, self._rollouts = self._rollouts, []
        return taken

    async def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        completion_ids: Any = None,
        *,
        task: Sequence[str],
        problem_id: Sequence[str],
        tests: Sequence[str],
        checker: Sequence[str],
        limits: Sequence[str],
        reference: Sequence[str],
        preamble: Sequence[str],
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
        **_: Any,
    ) -> list[float | None]:
        """Return the reward of each row; columns are those of ``trainer_client.data.rows``."""
        programs: dict[int, ExecuteProgram] = {}
        for i in (i for i, kind in enumerate(task) if kind == rows.CODE):
            code = self._extract(completion_text(completions[i]))
            if code is not None:
                id = f"{problem_id[i]}/{i}"
                programs[i] = rows.program(id, code, tests[i], checker[i], limits[i], preamble[i])
        began = time.monotonic()
        answers = await self._execute(programs)
        seconds = time.monotonic() - began
        self._keep(problem_id, reference, programs, answers)
        rewards = [
            self._reward(i in programs, answers.get(i)) if kind == rows.CODE else None
            for i, kind in enumerate(task)
        ]
        verdicts = [_verdict(kind, i in programs, answers.get(i)) for i, kind in enumerate(task)]
        if log_extra is not None:
            log_extra("verdict", verdicts)
        if log_metric is not None:
            _log_code(log_metric, rewards, verdicts, answers, seconds)
        return rewards

    async def _execute(self, programs: Mapping[int, ExecuteProgram]) -> dict[int, Answer]:
        """Each different program once: a policy repeats itself."""
        if not programs:
            return {}
        keys = {i: p.model_dump_json(exclude={"id"}) for i, p in programs.items()}
        distinct = {key: programs[i] for i, key in keys.items()}
        answered = await self._executor.execute(list(distinct.values()), return_exceptions=True)
        by_key = dict(zip(distinct, answered, strict=True))
        answers = {i: by_key[key] for i, key in keys.items()}
        self._check(list(answers.values()))
        return answers

    def _check(self, answers: Sequence[Answer]) -> None:
        errors = [a for a in answers if isinstance(a, ExecutorError)]
        for error in errors:
            if isinstance(error, InvalidRequest | Unauthorized):
                raise error
        if any(_judged(answer) for answer in answers):
            self._without_verdict = 0
            return
        self._without_verdict += 1
        if self._without_verdict >= self._patience:
            last = errors[-1] if errors else "every program ended in sandbox_error"
            raise NoVerdicts(
                f"no verdict for {self._without_verdict} batches in a row ({last}); "
                "check the executor and its log, then go on from the last checkpoint with --resume"
            )

    def _keep(
        self,
        problem_id: Sequence[str],
        reference: Sequence[str],
        programs: Mapping[int, ExecuteProgram],
        answers: Mapping[int, Answer],
    ) -> None:
        for i, answer in answers.items():
            if isinstance(answer, ExecuteResult):
                program = programs[i]
                self._rollouts.append(
                    Rollout(problem_id[i], program.code, program.tests, answer, reference[i])
                )

    def _reward(self, has_program: bool, answer: Answer | None) -> float | None:
        if not has_program:
            return 0.0
        if not isinstance(answer, ExecuteResult) or answer.passed is None:
            return None
        if self._mode == "fraction":
            return answer.passed / answer.total
        return float(answer.verdict is Verdict.ACCEPTED)


def _judged(answer: Answer) -> bool:
    return isinstance(answer, ExecuteResult) and answer.passed is not None


def _verdict(kind: str, has_program: bool, answer: Answer | None) -> str | None:
    if kind != rows.CODE:
        return None
    if not has_program:
        return "no_code"
    return str(answer.verdict) if isinstance(answer, ExecuteResult) else "no_answer"


def _log_code(
    log: LogMetric,
    rewards: Sequence[float | None],
    verdicts: Sequence[str | None],
    answers: Mapping[int, Answer],
    seconds: float,
) -> None:
    scored = [r for r in rewards if r is not None]
    counts = Counter(v for v in verdicts if v is not None)
    if scored:
        log("code/reward", sum(scored) / len(scored))
        log("code/pass_rate", counts[Verdict.ACCEPTED] / len(scored))
    for verdict, count in sorted(counts.items()):
        log(f"code/verdict/{verdict}", count)
    if answers:
        log("executor/latency_seconds", seconds)
        log("executor/programs", len(answers))
        log("executor/failures", sum(not _judged(a) for a in answers.values()))


class AlignmentReward:
    """Compare the answers of an alignment row with what the program really computed."""

    def __init__(
        self, format: AlignmentFormat, scoring: Literal["fraction", "paper"] = "fraction"
    ) -> None:
        self.__name__ = "alignment"
        self._format = format
        self._score = exact_fraction if scoring == "fraction" else paper_reward
        self._outcomes: list[Outcome] = []

    def take_outcomes(self) -> list[Outcome]:
        """The questions answered since the last call, each with its whole group."""
        taken, self._outcomes = self._outcomes, []
        return taken

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        completion_ids: Any = None,
        *,
        task: Sequence[str],
        sample: Sequence[str],
        log_metric: LogMetric | None = None,
        **_: Any,
    ) -> list[float | None]:
        """Return the reward of each alignment row, None for the others."""
        rewards: list[float | None] = [None] * len(completions)
        parsed = 0
        for text, places in _groups(task, sample).items():
            question = AlignmentSample.model_validate_json(text)
            given = [self._format.parse(completion_text(completions[i]), question) for i in places]
            scores = [self._score(answer, question.answers) for answer in given]
            for i, score in zip(places, scores, strict=True):
                rewards[i] = score
            parsed += sum(answer is not None for answer in given)
            self._outcomes.append(Outcome(question, given, scores))
        scored = [r for r in rewards if r is not None]
        if log_metric is not None and scored:
            log_metric("alignment/reward", sum(scored) / len(scored))
            log_metric("alignment/exact", sum(r > 1 - 1e-9 for r in scored) / len(scored))
            log_metric("alignment/parsed", parsed / len(scored))
        return rewards


def _groups(task: Sequence[str], sample: Sequence[str]) -> dict[str, list[int]]:
    """Question → the rows that answer it."""
    groups: dict[str, list[int]] = {}
    for i, (kind, text) in enumerate(zip(task, sample, strict=True)):
        if kind == rows.ALIGNMENT:
            groups.setdefault(text, []).append(i)
    return groups
