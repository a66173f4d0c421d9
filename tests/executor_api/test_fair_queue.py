"""The queue by itself: bounds, fairness, what leaves it early."""

import asyncio
import time
from typing import Any

import pytest

from executor_api import fair_queue
from executor_api.fair_queue import Job, KeyShareFull, NeverFits, Queue, QueueFull, Room, Served


async def _nothing(_link: Any) -> None:
    return None


def _jobs(key: str, count: int = 1, size: int = 10) -> list[Job]:
    loop = asyncio.get_running_loop()
    return [Job(key, _nothing, 1e9, False, loop.create_future(), size) for _ in range(count)]


def _queue(programs: int = 100, size: int = 10_000, share: float = 1.0) -> Queue:
    key_room = Room(int(programs * share), int(size * share))
    return Queue(Room(programs, size), lambda key: key_room)


@pytest.fixture
def endless_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "TURN_SECONDS", 1e9)


@pytest.fixture
def no_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "TURN_SECONDS", 0.0)


async def test_first_in_first_out_within_a_key() -> None:
    queue, jobs, worker = _queue(), _jobs("a", 5), Served()
    queue.put(jobs)
    assert [await queue.get(worker) for _ in jobs] == jobs


async def test_programs_and_bytes_are_counted_in_and_out() -> None:
    queue, worker = _queue(), Served()
    queue.put(_jobs("a", 3, size=7))
    assert (len(queue), queue.bytes, queue.keys) == (3, 21, 1)
    await queue.get(worker)
    assert (len(queue), queue.bytes) == (2, 14)


async def test_full_in_programs() -> None:
    queue = _queue(programs=10)
    queue.put(_jobs("a", 8))
    with pytest.raises(QueueFull) as full:
        queue.put(_jobs("b", 5))
    assert full.value.excess_programs == 3
    assert len(queue) == 8  # none of the batch was admitted
    queue.put(_jobs("b", 2))


async def test_full_in_bytes() -> None:
    queue = _queue(size=1000)
    queue.put(_jobs("a", 8, size=100))
    with pytest.raises(QueueFull) as full:
        queue.put(_jobs("b", 1, size=500))
    assert full.value.excess_programs == 3


async def test_share_of_a_key_leaves_room_for_others() -> None:
    queue = _queue(programs=10, share=0.5)
    queue.put(_jobs("a", 4))
    with pytest.raises(KeyShareFull) as full:
        queue.put(_jobs("a", 2))
    assert full.value.excess_programs == 1
    queue.put(_jobs("b", 5))


@pytest.mark.parametrize(("count", "size"), [(6, 1), (1, 501)])
async def test_what_can_never_fit_is_told_so(count: int, size: int) -> None:
    queue = _queue(programs=10, size=1000, share=0.5)
    with pytest.raises(NeverFits, match="at most 5"):
        queue.put(_jobs("a", count, size))


@pytest.mark.usefixtures("endless_turns")
async def test_a_worker_stays_with_its_key_during_its_turn() -> None:
    queue, worker = _queue(), Served()
    queue.put(_jobs("a", 3))
    queue.put(_jobs("b", 3))
    assert [(await queue.get(worker)).key for _ in range(6)] == list("aaabbb")


@pytest.mark.usefixtures("no_turns")
async def test_keys_take_turns_of_one_worker() -> None:
    queue, worker = _queue(), Served()
    for key in "abc":
        queue.put(_jobs(key, 2))
    assert [(await queue.get(worker)).key for _ in range(6)] == list("abcabc")


@pytest.mark.usefixtures("no_turns")
async def test_with_as_many_workers_as_keys_nobody_changes() -> None:
    queue, first, second = _queue(), Served(), Served()
    queue.put(_jobs("a", 20))
    queue.put(_jobs("b", 20))
    served = [((await queue.get(first)).key, (await queue.get(second)).key) for _ in range(10)]
    assert served == [("a", "b")] * 10


async def test_a_single_program_waits_one_turn_behind_thousands() -> None:
    queue, worker = _queue(programs=20_000, size=10**9), Served()
    queue.put(_jobs("greedy", 10_000))
    await queue.get(worker)
    queue.put(_jobs("single"))
    asked = time.monotonic()
    while (await queue.get(worker)).key != "single":
        await asyncio.sleep(0.01)
    assert time.monotonic() - asked < fair_queue.TURN_SECONDS + 0.5


async def test_an_idle_worker_with_the_keys_sandbox_is_preferred() -> None:
    queue = _queue()
    workers = {key: Served(key) for key in ("a", "b", "c")}
    waiting = {key: asyncio.create_task(queue.get(worker)) for key, worker in workers.items()}
    await asyncio.sleep(0)
    queue.put(_jobs("b"))
    await asyncio.sleep(0)
    assert [key for key, task in waiting.items() if task.done()] == ["b"]
    for task in waiting.values():
        task.cancel()


async def test_a_job_given_up_leaves_at_once() -> None:
    queue, jobs = _queue(), _jobs("a", 3)
    queue.put(jobs)
    jobs[1].done.cancel()
    await asyncio.sleep(0)
    assert (len(queue), queue.bytes) == (2, 20)
    worker = Served()
    assert [await queue.get(worker), await queue.get(worker)] == [jobs[0], jobs[2]]


async def test_a_job_put_back_is_next() -> None:
    queue, jobs, worker = _queue(), _jobs("a", 3), Served()
    queue.put(jobs)
    first = await queue.get(worker)
    queue.put_back(first)
    assert await queue.get(worker) is first


async def test_a_job_given_up_is_not_put_back() -> None:
    queue, jobs = _queue(), _jobs("a")
    queue.put(jobs)
    (await queue.get(Served())).done.cancel()
    queue.put_back(jobs[0])
    assert len(queue) == 0


async def test_a_worker_cancelled_while_it_is_handed_a_job_loses_none() -> None:
    queue, jobs = _queue(), _jobs("a")
    worker = asyncio.create_task(queue.get(Served()))
    await asyncio.sleep(0)
    queue.put(jobs)
    worker.cancel()
    await asyncio.wait([worker])
    assert await queue.get(Served()) is jobs[0]


async def test_age_of_the_oldest() -> None:
    queue = _queue()
    assert queue.oldest_seconds() == 0.0
    (job,) = jobs = _jobs("a")
    job.submitted -= 5
    queue.put(jobs)
    assert 5.0 <= queue.oldest_seconds() < 6.0
