"""Clients that ask until they are answered: what has no verdict is asked again, as trainers do."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bench.fault_injection.instance import until
from bench.load import KEY, Question, in_batches, questions
from trainer_client import (
    ConnectionFailed,
    DeadlineExceeded,
    ExecutorClient,
    ExecutorError,
    Overloaded,
    ProtocolError,
    TraceResult,
)

RETRYABLE = (ConnectionFailed, DeadlineExceeded, Overloaded, ProtocolError)
NO_VERDICT = ("sandbox_error", "skipped")
PROGRAMS_PER_REQUEST = 6
CALL_SECONDS = 40.0
"""Deadline of one call: more than the service needs to give up a sandbox that hangs."""
GIVE_UP_SECONDS = 180.0
"""A program that has no verdict after so long is lost."""
WALL_SECONDS = 4.0
"""Of programs that do not run into it: what hangs is given up after twice as much and 15 s."""


@dataclass
class Tally:
    programs: int = 0
    """With a verdict; traces too."""
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    """Retryable ones, by kind, a program at a time."""
    client_retries: int = 0
    sandbox_retries: int = 0
    """Sandboxes beyond the first that programs were tried on."""


@dataclass
class Load:
    """``clients`` of the real client that ask at ``urls`` until they are told to stop."""

    urls: Sequence[str]
    clients: int
    seed: int
    tally: Tally = field(default_factory=Tally)
    stopping: bool = False
    _go: asyncio.Event = field(default_factory=asyncio.Event)
    _under_way: int = 0
    _asked: int = 0

    def __post_init__(self) -> None:
        self._questions = in_batches(questions(10**9, self.seed), PROGRAMS_PER_REQUEST)
        self._go.set()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Nothing is asked meanwhile, and all that was has been answered."""
        self._go.clear()
        await until(lambda: not self._under_way)
        try:
            yield
        finally:
            self._go.set()

    async def ask_one(self) -> None:
        """One program, alone."""
        async with ExecutorClient(list(self.urls), KEY, deadline_seconds=CALL_SECONDS) as client:
            await self._trace(client)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.clients):
                group.create_task(self._client())

    async def _client(self) -> None:
        async with ExecutorClient(list(self.urls), KEY, deadline_seconds=CALL_SECONDS) as client:
            while not self.stopping:
                await self._go.wait()
                self._under_way += 1
                await self.ask_once(client)
                self._under_way -= 1
            self.tally.client_retries += client.stats().retries

    async def ask_once(self, client: ExecutorClient) -> None:
        """A request of each kind, until they are answered."""
        batch = [_hurried(question) for question in next(self._questions)]
        await asyncio.gather(self._execute(client, batch), self._trace(client))

    def _names(self, count: int) -> list[str]:
        self._asked += count
        return [f"q{self._asked - count + number}" for number in range(count)]

    async def _execute(self, client: ExecutorClient, batch: list[Question]) -> None:
        waiting = dict(zip(self._names(len(batch)), batch, strict=True))
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while waiting:
            programs = [question.program(name) for name, question in waiting.items()]
            answers = await client.execute(programs, return_exceptions=True)
            if len(answers) != len(programs):
                self.tally.wrong.append(f"{len(answers)} answers to {len(programs)} programs")
                return
            asked = list(waiting.items())
            for index, ((name, question), answer) in enumerate(zip(asked, answers, strict=True)):
                if isinstance(answer, ExecutorError) or answer.passed is None:
                    if not self._ask_again(name, answer, give_up):
                        del waiting[name]
                    continue
                del waiting[name]
                self.tally.programs += 1
                self.tally.sandbox_retries += max(0, answer.attempts - 1)
                if complaint := question.complaint(answer, name, index):
                    self.tally.wrong.append(f"{question.kind}: {complaint}")
            await asyncio.sleep(0.3 if waiting else 0)

    async def _trace(self, client: ExecutorClient) -> None:
        (name,) = self._names(1)
        program = {"id": name, "code": f"token = '{name}'\nn = len(token)\n", "detail": "final"}
        program["limits"] = {"wall_seconds": WALL_SECONDS}
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while True:
            (answer,) = await client.trace([program], return_exceptions=True)
            if isinstance(answer, TraceResult) and answer.status not in NO_VERDICT:
                break
            if not self._ask_again(name, answer, give_up):
                return
            await asyncio.sleep(0.3)
        self.tally.programs += 1
        self.tally.sandbox_retries += max(0, answer.attempts - 1)
        if complaint := _trace_complaint(answer, name):
            self.tally.wrong.append(f"trace: {complaint}")

    def _ask_again(self, name: str, answer: Any, give_up: float) -> bool:
        """Note an answer without a verdict; whether another may come."""
        if isinstance(answer, ExecutorError):
            kind, retryable = type(answer).__name__, isinstance(answer, RETRYABLE)
        else:
            kind, retryable = str(getattr(answer, "verdict", None) or answer.status), True
        self.tally.errors[kind] += retryable
        if retryable and time.monotonic() < give_up:
            return True
        self.tally.lost.append(f"{name}: {kind} {answer if not retryable else ''}".strip())
        return False


def _hurried(question: Question) -> Question:
    limits = {"wall_seconds": WALL_SECONDS} | question.fields.get("limits", {})
    return replace(question, fields=question.fields | {"limits": limits})


def _trace_complaint(answer: TraceResult, name: str) -> str | None:
    values = {key: value.value for key, value in answer.final.get("0", {}).items()}
    wanted = {"token": repr(name), "n": str(len(name))}
    if (answer.id, str(answer.status), values) == (name, "completed", wanted):
        return None
    return f"{answer.id!r} {answer.status} {values}, not {name!r} completed {wanted}"
