"""The scheduler on real processes: pace, Retry-After, the drain."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException, Request
from starlette.datastructures import State

from executor_api import execution
from executor_api.execution import Executor
from executor_api.routes.common import refusals
from executor_api.sandbox.process import ProcessRuntime
from executor_api.scheduler import (
    Job,
    KeyShareFull,
    NotReady,
    QueueFull,
    Room,
    Scheduler,
    Stopping,
)
from executor_api.settings import Maxima

LATER = 1e9


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    """One sandbox; it has not started yet."""
    runtime = ProcessRuntime()
    made = Scheduler(
        runtime,
        sandboxes=1,
        room=Room(1000, 10**9),
        key_room=lambda key: Room(600, 10**9),
        attempts=1,
        programs_per_sandbox=1000,
        spare_mb=0,
    )
    yield made
    await made.close()
    await runtime.close()


async def _submit(scheduler: Scheduler, key: str, count: int, seconds: float = 0) -> list[Job]:
    async def work(_link: Any) -> float:
        await asyncio.sleep(seconds)
        return seconds

    return await scheduler.submit(key, [work] * count, LATER, [False] * count, [10] * count)


async def test_retry_after_follows_the_excess_and_is_bounded(scheduler: Scheduler) -> None:
    assert scheduler.retry_after(QueueFull(1)) == 1
    assert 1 < scheduler.retry_after(QueueFull(100)) < 60
    assert scheduler.retry_after(QueueFull(10**6)) == 60


async def test_retry_after_follows_the_pace(scheduler: Scheduler) -> None:
    before = scheduler.retry_after(QueueFull(20))
    jobs = await _submit(scheduler, "a", 15, seconds=0.3)
    await scheduler.start()
    async with asyncio.timeout(30):
        await asyncio.gather(*(job.done for job in jobs))
        await asyncio.sleep(0)
    assert before < scheduler.retry_after(QueueFull(20)) <= 20 * 0.3


async def test_retry_after_for_a_key_counts_the_others(scheduler: Scheduler) -> None:
    alone = scheduler.retry_after(KeyShareFull(100))
    await _submit(scheduler, "a", 10)
    await _submit(scheduler, "b", 10)
    assert scheduler.retry_after(KeyShareFull(100)) == 2 * alone


async def test_a_language_is_asked_for_before_any_sandbox_has_answered(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_READY_SECONDS", 0.01)
    executor = Executor(scheduler, "unsafe-process", Maxima(), 10)
    assert await executor.why_not("python") is None
    with pytest.raises(NotReady) as refused:
        await executor.why_not("cpp")
    request = Request({"type": "http", "app": SimpleNamespace(state=State({"executor": executor}))})
    with pytest.raises(HTTPException) as answered, refusals(request):
        raise refused.value
    assert answered.value.status_code == 503
    assert answered.value.detail == "no sandbox has answered yet: try again in 1 s"


async def test_drain_waits_for_what_was_admitted_and_admits_no_more(scheduler: Scheduler) -> None:
    await scheduler.start()
    await scheduler.wait_ready(30)
    jobs = await _submit(scheduler, "a", 3, seconds=0.1)
    drain = asyncio.create_task(scheduler.drain(20))
    await asyncio.sleep(0)
    assert scheduler.draining
    assert not scheduler.ready
    assert 1 <= scheduler.retry_after(Stopping()) <= 20
    with pytest.raises(Stopping):
        await _submit(scheduler, "a", 1)
    async with asyncio.timeout(10):
        await drain
    assert [job.done.result() for job in jobs] == [0.1] * 3


async def test_drain_ends_what_takes_too_long(scheduler: Scheduler) -> None:
    jobs = await _submit(scheduler, "a", 3)
    await scheduler.drain(0.1)
    for job in jobs:
        with pytest.raises(Stopping):
            await job.done


async def test_a_running_program_whose_caller_left_frees_its_sandbox(
    scheduler: Scheduler,
) -> None:
    endless, next_one = await _submit(scheduler, "a", 1, 60), await _submit(scheduler, "a", 1)
    await scheduler.start()
    async with asyncio.timeout(20):
        while scheduler.waiting > 1:
            await asyncio.sleep(0.02)
        endless[0].done.cancel()
        assert await next_one[0].done == 0


async def test_a_sandbox_that_dies_idle_is_replaced_before_a_program_comes(
    scheduler: Scheduler,
) -> None:
    others = _children()
    await scheduler.start()
    await scheduler.wait_ready(30)
    (first,) = _children() - others
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(20):
        while first in _children() or not _children() - others:
            await asyncio.sleep(0.05)
        (job,) = await _submit(scheduler, "a", 1)
        assert await job.done == 0
    assert job.attempts == 1


async def test_an_idle_sandbox_that_speaks_unasked_is_replaced(scheduler: Scheduler) -> None:
    others = _children()
    await scheduler.start()
    await scheduler.wait_ready(30)
    (first,) = _children() - others
    _say(first, b"Fatal error")
    async with asyncio.timeout(20):
        while first in _children():
            await asyncio.sleep(0.05)


def _children() -> set[int]:
    found = Path("/proc/self/task").glob("*/children")
    return {int(pid) for path in found for pid in path.read_text().split()}


def _say(supervisor: int, text: bytes) -> None:
    with Path(f"/proc/{supervisor}/fd/5").open("wb") as answers:
        answers.write(text)


async def test_programs_find_their_sandbox_after_it_was_idle(scheduler: Scheduler) -> None:
    await scheduler.start()
    async with asyncio.timeout(30):
        for _ in range(50):
            (job,) = await _submit(scheduler, "a", 1)
            await job.done
            await asyncio.sleep(0.001)
