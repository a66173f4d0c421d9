"""Judge completions: each different program once, and again where the executor had no verdict.

A failure of the executor is never a wrong answer. What has no verdict is asked for again, and what
still has none is handed back as such.
"""

import asyncio
from collections.abc import Callable, Sequence

from executor_api.wire import ExecuteProgram, ExecuteResult, Verdict
from trainer_client.client import InvalidRequest, Unauthorized
from trainer_client.client.answers import Answer, judged
from trainer_client.client.delivery import together
from trainer_client.client.types import LenientExecutor
from trainer_client.evals.cases import Case, Reading
from trainer_client.evals.results import NO_ANSWER, NO_VERDICT, Sample

__all__ = ["Completion", "grade"]

Completion = tuple[Case, str]
ATTEMPTS = 3
"""Times that a program is sent; the client and the service have retries of their own."""
PAUSE_SECONDS = 1.0
"""Before it is sent again."""
CHUNK = 128
"""Programs sent at one time, so that progress can be shown and a deadline is for so many."""
CHUNKS = 2
"""Under way at one time, so that the sandboxes do not wait for the slowest program of each."""
DEADLINE_SECONDS = 3600.0
"""For a chunk. Each program is bounded by its own limits; this is for an executor that hangs."""

Key = tuple[str, str]
"""A case and an answer to it: what decides the program that is run."""


async def grade(
    completions: Sequence[Completion],
    executor: LenientExecutor,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Sample]:
    """One sample for each completion, in order; ``index`` counts the samples of a case.

    ``progress`` is told how many of how many different programs have been run. Raises
    ``InvalidRequest`` and ``Unauthorized``: they hold for the whole evaluation.
    """
    readings = [case.read(text) for case, text in completions]
    keys = [(case.id, r.answer) for (case, _), r in zip(completions, readings, strict=True)]
    programs = {key: r.run for key, r in zip(keys, readings, strict=True) if r.run is not None}
    answers = await _execute(programs, executor, progress)
    counts: dict[str, int] = {}
    samples = []
    for (case, text), reading, key in zip(completions, readings, keys, strict=True):
        index = counts[case.id] = counts.get(case.id, -1) + 1
        answer = answers.get(key) if reading.run else None
        samples.append(_sample(case, index, text, reading, answer))
    return samples


async def _execute(
    programs: dict[Key, ExecuteProgram],
    executor: LenientExecutor,
    progress: Callable[[int, int], None],
) -> dict[Key, Answer]:
    answers: dict[Key, Answer] = {}
    turn = asyncio.Semaphore(CHUNKS)

    async def run(keys: Sequence[Key]) -> None:
        async with turn:
            answered = await executor.execute(
                [programs[key] for key in keys],
                deadline_seconds=DEADLINE_SECONDS,
                return_exceptions=True,
            )
        answers.update(zip(keys, map(_checked, answered), strict=True))
        progress(sum(map(judged, answers.values())), len(programs))

    for attempt in range(ATTEMPTS):
        waiting = [key for key in programs if not judged(answers.get(key))]
        if attempt and waiting:
            await asyncio.sleep(PAUSE_SECONDS)
        starts = range(0, len(waiting), CHUNK)
        await together(run(waiting[start : start + CHUNK]) for start in starts)
    return answers


def _checked(answer: Answer) -> Answer:
    if isinstance(answer, InvalidRequest | Unauthorized):
        raise answer
    return answer


def _sample(
    case: Case, index: int, completion: str, reading: Reading, answer: Answer | None
) -> Sample:
    given = Sample(
        id=case.id,
        index=index,
        completion=completion,
        answer=reading.answer,
        form=reading.form,
        verdict=NO_ANSWER,
        passed=False,
        message=reading.message,
    )
    if reading.run is None:
        if reading.form == "none":
            return given
        verdict = Verdict.ACCEPTED if reading.right else Verdict.WRONG_ANSWER
        return given.model_copy(update={"verdict": verdict.value, "passed": reading.right})
    if not isinstance(answer, ExecuteResult) or answer.passed is None:
        update = {"verdict": NO_VERDICT, "passed": None, "message": _why_not(answer)}
        return given.model_copy(update=update)
    return given.model_copy(update=_outcome(answer))


def _why_not(answer: Answer | None) -> str:
    """Why there is no verdict."""
    if not isinstance(answer, ExecuteResult):
        return str(answer)
    said = (test.message for test in answer.tests)
    return next(filter(None, said), answer.verdict.value)


def _outcome(result: ExecuteResult) -> dict[str, object]:
    failing = next((t for t in result.tests if t.verdict is not Verdict.ACCEPTED), None)
    message = ""
    if failing is not None:
        error = failing.exception
        message = failing.message or (f"{error.type}: {error.message}" if error else "")
    return {
        "verdict": result.verdict.value,
        "passed": result.verdict is Verdict.ACCEPTED,
        "trust": result.trust,
        "message": message,
    }
