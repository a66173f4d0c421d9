"""The tests of one program, judged as they are observed: its answers may be large, and those of
judged tests are not kept."""

import asyncio
import time
from dataclasses import replace
from functools import partial

from executor_api.judge.plan import Plan
from executor_api.observation import NO_VALUE, End, Observation, Outcome
from executor_api.sandbox.link import LARGE_ANSWER
from executor_api.wire import TestResult, Verdict

__all__ = ["Judging"]

_MOST_HELD = 32 << 20
"""Bytes of answers to one test, which are judged together; read they may take 30 times as much."""
_NOT_RUN = Observation(end=End.NOT_RUN)
_TIME_OVER = Observation(end=End.WALL_LIMIT)


class Judging:
    """Takes the observations of a plan's guest tests, in order."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._judged: list[TestResult] = []
        self._waiting: list[Observation] = []
        """Of the next test to be judged."""
        self._held = 0
        """Bytes that those were read from."""
        self.seconds = 0.0

    async def take(self, observation: Observation) -> bool:
        """Judge the test whose last guest test this is; whether all so far are accepted."""
        self._waiting.append(self._within_bounds(observation))
        part = self._plan.slices[len(self._judged)]
        if len(self._waiting) == part.stop - part.start:
            await self._judge(self._waiting)
        return not self._judged or self._judged[-1].verdict is Verdict.ACCEPTED

    async def results(self) -> list[TestResult]:
        """Of all tests, also those that were not observed to their end."""
        while len(self._judged) < len(self._plan.slices):
            await self._judge(_with_rest(self._waiting))
        return self._judged

    async def _judge(self, seen: list[Observation]) -> None:
        began = time.monotonic()
        judge = partial(self._plan.judge, len(self._judged), seen)
        large = any(one.payload_bytes > LARGE_ANSWER for one in seen)
        self._judged.append(await asyncio.to_thread(judge) if large else judge())
        self._waiting, self._held = [], 0
        self.seconds += time.monotonic() - began

    def _within_bounds(self, observation: Observation) -> Observation:
        first, self._held = not self._held, self._held + observation.payload_bytes
        if first or self._held <= _MOST_HELD:
            return observation
        message = f"the answers to one test take more than {_MOST_HELD >> 20} MiB"
        outcome = Outcome.INVALID if observation.end is End.ANSWERED else observation.outcome
        return replace(observation, outcome=outcome, value=NO_VALUE, message=message)


def _with_rest(seen: list[Observation]) -> list[Observation]:
    """Of a test that was not seen to its end: where its last call went well, the program's time
    was over before the next."""
    if not seen:
        return [_NOT_RUN]
    went_well = seen[-1].end is End.ANSWERED and seen[-1].outcome is Outcome.RETURNED
    return [*seen, _TIME_OVER] if went_well else seen
