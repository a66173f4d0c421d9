"""The reward of a code row, as TRL calls it; that of an alignment row is in
``trainer_client.alignment.reward``.

A reward is ``None`` where there is no verdict (``sandbox_error``, or the executor could not be
reached) and on rows of the other task; TRL gives such a rollout the advantage 0 and leaves it out
of its group's mean. It is never 0: the policy must not learn from our failures.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from executor_api.wire import ExecuteProgram, ExecuteResult, Verdict
from trainer_client.alignment.questions import Rollout
from trainer_client.client import ExecutorError, InvalidRequest, Unauthorized
from trainer_client.client.answers import Answer, NoVerdicts, judged
from trainer_client.client.types import LenientExecutor
from trainer_client.continuation import asked_for, continued
from trainer_client.data import rows
from trainer_client.extraction import Completion, Extract, completion_text, fenced

__all__ = ["ExecutionReward", "LogMetric", "Scored", "code_metrics"]

LogMetric = Callable[[str, float], None]
LogExtra = Callable[[str, list[Any]], None]


@dataclass(frozen=True, slots=True)
class Scored:
    """One row as its reward saw it."""

    reward: float | None
    verdict: str | None = None
    """Of a code row: the executor's, ``no_code`` or ``no_answer``."""
    rollout: Rollout | None = None
    """Of a code row that was judged."""
    given: dict[str, str] | None = None
    """Of an alignment row: the answers that could be read."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A program that was sent, in whatever request."""

    request: "asyncio.Task[tuple[list[Answer], float]]"
    """The answers of all its programs, and the seconds they took."""
    index: int


class ExecutionReward:
    """Run each rollout of a code row on its tests.

    A trainer may ``begin`` rows as soon as they have a completion; the reward then only waits for
    what is left. All of it happens in one event loop, and each different program is sent once.

    Args:
        executor: used in the event loop that calls the reward, and in no other.
        mode: ``binary``: 1 when all tests pass, else 0. ``fraction``: the share that passes.
        extract: how a completion becomes a program; a completion without one gets 0.
        patience: batches in a row without any verdict before ``NoVerdicts`` is raised.

    Raises ``InvalidRequest`` and ``Unauthorized`` at once: they are the recipe's to mend.
    """

    def __init__(
        self,
        executor: LenientExecutor,
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
        self._asked: dict[str, _Asked] = {}
        self._scored: list[Scored] = []
        self._waited = 0.0
        self._logged: set[str] = set()

    def take_scored(self) -> list[Scored]:
        """What the last call found, a row each."""
        taken, self._scored = self._scored, []
        return taken

    def take_waited(self) -> float:
        """Seconds that callers have waited for verdicts since the last such call."""
        taken, self._waited = self._waited, 0.0
        return taken

    async def begin(self, batch: Mapping[int, rows.Row], completions: Mapping[int, str]) -> None:
        """Send the programs of these rows of a batch, unless they are under way; do not wait."""
        texts: dict[int, Completion] = {**completions}
        self._send(self._programs({i: batch[i] for i in texts}, texts))

    async def judge(
        self, batch: Mapping[int, rows.Row], completions: Mapping[int, Completion]
    ) -> list[Rollout]:
        """The judged rollouts among these rows of a batch. The reward finds them answered."""
        programs = self._programs(batch, completions)
        answers, _ = await self._answers(self._send(programs))
        return [
            _rollout(programs[i], batch[i], answer)
            for i, answer in answers.items()
            if isinstance(answer, ExecuteResult)
        ]

    async def aclose(self) -> None:
        """Give up whatever is under way."""
        requests = {asked.request for asked in self._asked.values()}
        self._asked = {}
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)

    async def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        completion_ids: Any = None,
        *,
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
        **given: Any,
    ) -> list[float | None]:
        """Return the reward of each row. ``given`` holds ``rows.CODE_COLUMNS``; TRL gives more.

        Raises ``ValueError`` where a column is missing.
        """
        batch = dict(enumerate(rows.of_columns(given)))
        programs = self._programs(batch, dict(enumerate(completions)))
        answers, seconds = await self._answers(self._send(programs))
        await self.aclose()  # what was begun in vain
        self._check(list(answers.values()))
        self._scored = [
            self._score(row, programs.get(i), answers.get(i)) for i, row in batch.items()
        ]
        if log_extra is not None:
            log_extra("verdict", [scored.verdict for scored in self._scored])
        if log_metric is not None:
            self._log(log_metric, answers, seconds)
        return [scored.reward for scored in self._scored]

    def _log(self, log: LogMetric, answers: Mapping[int, Answer], seconds: float) -> None:
        """TRL logs means over batches: a verdict that a batch has none of counts as 0 there."""
        metrics = code_metrics(self._scored)
        self._logged.update(name for name in metrics if "/verdict/" in name)
        for name, value in (dict.fromkeys(sorted(self._logged), 0.0) | metrics).items():
            log(name, value)
        if answers:
            log("executor/latency_seconds", seconds)
            log("executor/programs", len(answers))
            log("executor/failures", sum(not judged(a) for a in answers.values()))

    # --- programs and their answers --------------------------------------------------------

    def _programs(
        self, batch: Mapping[int, rows.Row], completions: Mapping[int, Completion]
    ) -> dict[int, ExecuteProgram]:
        """The programs of the code rows that have one."""
        programs = {}
        for i, row in batch.items():
            if row["task"] != rows.CODE:
                continue
            code = self._extract(completion_text(completions[i]))
            if code is not None:
                id = f"{row['problem_id']}/{i}"
                columns = (row[name] for name in ("tests", "checker", "limits", "preamble"))
                programs[i] = rows.program(id, _whole(row["starter_code"], code), *columns)
        return programs

    def _send(self, programs: Mapping[int, ExecuteProgram]) -> dict[int, _Asked]:
        """Each different program once: a policy repeats itself."""
        keys = {i: p.model_dump_json(exclude={"id"}) for i, p in programs.items()}
        fresh = {key: programs[i] for i, key in keys.items() if key not in self._asked}
        if fresh:
            request = asyncio.create_task(self._execute(list(fresh.values())))
            self._asked |= {key: _Asked(request, n) for n, key in enumerate(fresh)}
        return {i: self._asked[key] for i, key in keys.items()}

    async def _execute(self, programs: Sequence[ExecuteProgram]) -> tuple[list[Answer], float]:
        began = time.monotonic()
        answers = await self._executor.execute(programs, return_exceptions=True)
        return answers, time.monotonic() - began

    async def _answers(self, asked: Mapping[int, _Asked]) -> tuple[dict[int, Answer], float]:
        """The answers, and the seconds that the slowest request took."""
        began = time.monotonic()
        requests = list({one.request: None for one in asked.values()})
        answered = dict(zip(requests, await asyncio.gather(*requests), strict=True))
        self._waited += time.monotonic() - began
        slowest = max((seconds for _, seconds in answered.values()), default=0.0)
        return {i: answered[one.request][0][one.index] for i, one in asked.items()}, slowest

    def _check(self, answers: Sequence[Answer]) -> None:
        errors = [a for a in answers if isinstance(a, ExecutorError)]
        for error in errors:
            if isinstance(error, InvalidRequest | Unauthorized):
                raise error
        if not answers:
            return  # no completion had a program: that says nothing of the executor
        if any(judged(answer) for answer in answers):
            self._without_verdict = 0
            return
        self._without_verdict += 1
        if self._without_verdict >= self._patience:
            last = errors[-1] if errors else "every program ended in sandbox_error"
            raise NoVerdicts(
                f"no verdict for {self._without_verdict} batches in a row ({last}); "
                "check the executor and its log"
            )

    def _score(
        self, row: rows.Row, program: ExecuteProgram | None, answer: Answer | None
    ) -> Scored:
        if row["task"] != rows.CODE:
            return Scored(None)
        if program is None:
            return Scored(0.0, "no_code")
        if not isinstance(answer, ExecuteResult):
            return Scored(None, "no_answer")
        rollout = _rollout(program, row, answer)
        return Scored(self._reward(answer), str(answer.verdict), rollout)

    def _reward(self, answer: ExecuteResult) -> float | None:
        if answer.passed is None:
            return None
        if self._mode == "fraction":
            return answer.passed / answer.total
        return float(answer.verdict is Verdict.ACCEPTED)


def _whole(starter_code: str, code: str) -> str:
    """The program of a completion, which may go on where its prompt ends."""
    return continued(starter_code, code, asked_for(starter_code)) or code


def _rollout(program: ExecuteProgram, row: rows.Row, answer: ExecuteResult) -> Rollout:
    return Rollout(row["problem_id"], program.code, program.tests, answer, row["reference"])


def code_metrics(scored: Sequence[Scored]) -> dict[str, float]:
    """Mean reward and pass rate of the code rollouts that have a verdict, and how many have each:
    over all of them, so it is exact for any division into batches."""
    rewards = [one.reward for one in scored if one.verdict is not None and one.reward is not None]
    counts = Counter(one.verdict for one in scored if one.verdict is not None)
    metrics = {f"code/verdict/{verdict}": float(n) for verdict, n in sorted(counts.items())}
    if rewards:
        metrics["code/reward"] = sum(rewards) / len(rewards)
        metrics["code/pass_rate"] = counts[Verdict.ACCEPTED] / len(rewards)
    return metrics
