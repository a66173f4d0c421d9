"""For the arithmetic of training: an executor whose verdicts follow from the program's text, so
that a test knows every reward, those included that a healthy executor does not give."""

from collections.abc import Sequence
from typing import Any

from executor_api.wire import ExecuteProgram, ExecuteResult, TraceProgram, Verdict
from tests.trainer_client.tiny_policy import any_program
from trainer_client import ExecutorError
from trainer_client.alignment.sample import AlignmentSample

__all__ = ["QUESTION", "PickyFormat", "ScriptedExecutor", "alignment_reward", "code_reward"]

TESTS = 4
QUESTION = AlignmentSample(program="x = 1\ny = x + 1\n", variables={"x": "1", "y": "2"})


def code_reward(problem: str, text: str) -> float | None:
    """``lively``: from 0 to 1. ``dull``: 0. ``flaky``: None for a third of the rollouts."""
    weight = sum(text.encode("ascii", "replace"))
    if problem.startswith("dull"):
        return 0.0
    if problem.startswith("flaky") and weight % 3 == 0:
        return None
    return weight % (TESTS + 1) / TESTS


def alignment_reward(text: str) -> float:
    """What ``PickyFormat`` and the share of right variables come to."""
    return (len(text) % 2 + (len(text) % 3 > 0)) / 2


class PickyFormat:
    """Random bytes answer nothing: their number decides which variables are right."""

    def prompt(self, sample: AlignmentSample) -> list[dict[str, str]]:
        return [{"role": "user", "content": sample.program}]

    def parse(self, completion: str, sample: AlignmentSample) -> dict[str, str]:
        return {"x": str(len(completion) % 2), "y": "2" if len(completion) % 3 else "3"}


class ScriptedExecutor:
    """Judges the programs of ``tiny_policy.any_program``; traces nothing."""

    async def execute(
        self, programs: Sequence[ExecuteProgram], *, return_exceptions: bool
    ) -> list[ExecuteResult | ExecutorError]:
        return [_result(program, index) for index, program in enumerate(programs)]

    async def trace(
        self, programs: Sequence[TraceProgram], *, return_exceptions: bool
    ) -> list[Any]:
        return [ExecutorError("not traced") for _ in programs]


def _result(program: ExecuteProgram, index: int) -> ExecuteResult:
    text = _written(program.code)
    reward = code_reward(program.id.rpartition("/")[0], text)
    verdict = Verdict.ACCEPTED if reward == 1 else Verdict.WRONG_ANSWER
    return ExecuteResult(
        id=program.id,
        index=index,
        verdict=Verdict.SANDBOX_ERROR if reward is None else verdict,
        passed=None if reward is None else round(reward * TESTS),
        total=TESTS,
        runtime="runsc",
    )


def _written(code: str) -> str:
    """The completion in ``any_program(completion)``."""
    scope: dict[str, Any] = {}
    exec(code.splitlines()[0], scope)
    text: str = scope["text"]
    assert any_program(text) == code
    return text
