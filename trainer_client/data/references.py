"""Whether the references of problems pass their tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from executor_api.wire import ExecuteProgram, ExecuteResult, TestResult, Verdict
from trainer_client.client.types import Executor
from trainer_client.data.problem import Problem

__all__ = ["FailedReference", "failed_references"]

BATCH = 200
"""Programs of one request; also how often progress is told."""
BATCH_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class FailedReference:
    """A problem whose reference is not accepted: it, the tests or the limits are wrong; unless
    there is no verdict, which says nothing about them."""

    id: str
    verdict: Verdict
    judged: bool
    test: int
    """The first that failed, from 1; 0 where none was run."""
    why: str


async def failed_references(
    problems: Sequence[Problem], executor: Executor, progress: Callable[[int], None]
) -> list[FailedReference]:
    """Run the reference of each problem that has one; ``progress`` is told how many were run.

    Raises ``ExecutorError`` where the executor does not answer.
    """
    programs = [_program(p, p.reference) for p in problems if p.reference is not None]
    failed: list[FailedReference] = []
    for start in range(0, len(programs), BATCH):
        batch = programs[start : start + BATCH]
        results = await executor.execute(batch, deadline_seconds=BATCH_SECONDS)
        failed += [_failure(r) for r in results if r.verdict is not Verdict.ACCEPTED]
        progress(start + len(batch))
    return failed


def _program(problem: Problem, reference: str) -> ExecuteProgram:
    return problem.program(reference).model_copy(update={"stop_on_failure": True})


def _failure(result: ExecuteResult) -> FailedReference:
    for number, test in enumerate(result.tests, 1):
        if test.verdict is not Verdict.ACCEPTED:
            return FailedReference(result.id, result.verdict, result.judged, number, _why(test))
    return FailedReference(result.id, result.verdict, result.judged, 0, "")


def _why(test: TestResult) -> str:
    if test.message:
        return test.message
    if test.exception is None:
        return ""
    return f"{test.exception.type} in line {test.exception.line}: {test.exception.message}"
