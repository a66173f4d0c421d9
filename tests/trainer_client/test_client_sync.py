"""The synchronous face: the same client on a loop and a thread of its own."""

import concurrent.futures
import threading
import time

import pytest

from tests.trainer_client.faulty_server import FaultyServer, codes, hang, programs, status
from trainer_client import DeadlineExceeded, SyncExecutorClient, Unauthorized


def test_same_answers(server: FaultyServer) -> None:
    with SyncExecutorClient(server.url, max_batch_programs=7) as client:
        assert client.ready()
        assert client.version().runtime == "runsc"
        assert codes(client.execute(programs(50))) == [p["code"] for p in programs(50)]
        assert client.trace([{"code": "x"}])[0].status == "completed"
        assert client.stats().programs == 51


async def test_works_where_a_loop_is_running(server: FaultyServer) -> None:
    with SyncExecutorClient(server.url) as client:
        assert len(client.execute(programs(3))) == 3


def test_many_threads_share_one_client(server: FaultyServer) -> None:
    with (
        SyncExecutorClient(server.url, max_batch_programs=2) as client,
        concurrent.futures.ThreadPoolExecutor(8) as threads,
    ):
        for answers in threads.map(lambda _: client.execute(programs(10)), range(16)):
            assert codes(answers) == [p["code"] for p in programs(10)]


def test_errors_and_deadlines_come_through(server: FaultyServer) -> None:
    server.faults = [status(401), hang]
    with SyncExecutorClient(server.url) as client:
        with pytest.raises(Unauthorized):
            client.execute(programs(1))
        with pytest.raises(DeadlineExceeded):
            client.execute(programs(1), deadline_seconds=0.2)


def test_closing_ends_the_thread_and_what_is_under_way(server: FaultyServer) -> None:
    server.always = hang
    threads_before = threading.active_count()
    client = SyncExecutorClient(server.url)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        call = thread.submit(client.execute, programs(1))
        while server.under_way == 0 and not call.done():
            time.sleep(0.01)
        client.close()
        with pytest.raises(concurrent.futures.CancelledError):
            call.result(timeout=20)
    client.close()
    assert threading.active_count() == threads_before
    with pytest.raises(RuntimeError, match="is closed"):
        client.execute(programs(1))
