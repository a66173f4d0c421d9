"""One key's costly requests leave the threads to others."""

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from executor_api.turns import NoTurn, Turns
from tests.service import KEY, running_service

OTHER = "secret-of-another"
_DEADLINE_SECONDS = 3.0
_THREADS = min(32, (os.cpu_count() or 1) + 4)
"""That asyncio has for all."""


class _Work:
    """Waits in its thread until released; knows how many of its kind run at once."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.running = self.most = 0

    def __call__(self) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        assert self.release.wait(20)
        self.running -= 1
        return self.most


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_two_of_a_key_at_a_time_and_others_go_on() -> None:
    turns, work = Turns(), _Work()
    waiting = [asyncio.create_task(turns.run("a", 20, work)) for _ in range(5)]
    await _until(lambda: work.running == 2)
    assert await turns.run("b", 20, lambda: 7) == 7
    assert len(turns) == 1  # only "a" is left
    work.release.set()
    assert max(await asyncio.gather(*waiting)) == 2
    assert len(turns) == 0


async def test_a_turn_that_does_not_come_in_time() -> None:
    turns, work = Turns(), _Work()
    waiting = [asyncio.create_task(turns.run("a", 20, work)) for _ in range(2)]
    await _until(lambda: work.running == 2)
    with pytest.raises(NoTurn):
        await turns.run("a", 0.05, work)
    work.release.set()
    await asyncio.gather(*waiting)
    assert work.most == 2 and len(turns) == 0


async def test_who_leaves_holds_the_turn_until_its_thread_is_done() -> None:
    turns, work = Turns(), _Work()
    waiting = [asyncio.create_task(turns.run("a", 20, work)) for _ in range(3)]
    await _until(lambda: work.running == 2)
    for task in waiting:
        task.cancel()
    assert all(
        isinstance(one, asyncio.CancelledError)
        for one in await asyncio.gather(*waiting, return_exceptions=True)
    )
    with pytest.raises(NoTurn):
        await turns.run("a", 0.05, work)
    work.release.set()
    await _until(lambda: len(turns) == 0)
    assert work.most == 2


async def test_what_the_work_raises_reaches_the_caller() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        await turns.run("a", 1, lambda: 1 // 0)
    assert len(turns) == 0


def _costly() -> dict[str, Any]:
    """A batch whose assertions the host interprets until the deadline."""
    loops = "total = 0\nfor i in range(20_000):\n    total += i\nassert f(total) == 1"
    program = {"code": "def f(x):\n    return x\n", "tests": [{"kind": "assert", "code": loops}]}
    return {"programs": [program] * 200, "deadline_seconds": _DEADLINE_SECONDS}


def test_a_small_request_is_answered_while_another_key_posts_costly_batches() -> None:
    keys = {"CODERL_API_KEYS": f"tests:{KEY},other:{OTHER}"}
    small = {
        "code": "def f():\n    return 1\n",
        "tests": [{"kind": "assert", "code": "assert f()"}],
    }
    with (
        running_service("unsafe-process", "--sandboxes", "1", **keys) as service,
        ThreadPoolExecutor(_THREADS) as threads,
    ):
        costly = [
            threads.submit(service.client.post, "/execute", json=_costly()) for _ in range(_THREADS)
        ]
        time.sleep(0.5)
        began = time.monotonic()
        answer = httpx.post(
            f"{service.url}/execute",
            json={"programs": [small]},
            headers={"Authorization": f"Bearer {OTHER}"},
            timeout=60,
        )
        waited = time.monotonic() - began
        assert not any(one.done() for one in costly)
        assert answer.json()["results"][0]["verdict"] == "accepted"
        assert waited < 2
        statuses = {one.result().status_code for one in costly}
    assert statuses == {413, 429}  # not read in time; not even begun
