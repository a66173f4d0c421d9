"""Nothing is lost, doubled or mixed up, whatever happens between the client and its executors."""

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service import KEY, Service, running_service
from tests.trainer_client.faulty_server import (
    FaultyServer,
    codes,
    programs,
    raw,
    results,
    serving,
    status,
)
from tests.trainer_client.unreliable_proxy import (
    CONNECTION_FAULTS,
    PROTOCOL_FAULTS,
    Fault,
    unreliable,
)
from trainer_client import (
    ConnectionFailed,
    DeadlineExceeded,
    ExecuteResult,
    ExecutorClient,
    Overloaded,
    ProtocolError,
    Verdict,
)
from trainer_client.client import delivery, endpoints


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rests and patience at a tenth of their length and less."""
    monkeypatch.setattr(endpoints, "FIRST_REST_SECONDS", 0.02)
    monkeypatch.setattr(endpoints, "LONGEST_REST_SECONDS", 0.1)
    monkeypatch.setattr(endpoints, "SHORTEST_REST_SECONDS", 0.01)
    monkeypatch.setattr(delivery, "OVERTAKEN_AFTER_SECONDS", 0.3)
    monkeypatch.setattr(delivery, "LOOK_SECONDS", 0.05)


def questions(count: int) -> list[dict[str, Any]]:
    """Programs whose answers differ; every third is asked for another one than it prints."""
    return [
        {
            "id": f"q{n % 7}",  # not unique, as callers may have it
            "code": f"print('token', {n})",
            "tests": [{"kind": "stdio", "stdout": f"token {n if n % 3 else -1}\n"}],
        }
        for n in range(count)
    ]


def check(answers: list[ExecuteResult], sent: list[dict[str, Any]]) -> None:
    """Every result is there once and belongs to its question."""
    assert [answer.index for answer in answers] == list(range(len(sent)))
    assert [answer.id for answer in answers] == [program["id"] for program in sent]
    assert [answer.tests[0].stdout for answer in answers] == [
        f"token {n}\n" for n in range(len(sent))
    ]
    assert [answer.verdict for answer in answers] == [
        Verdict.ACCEPTED if n % 3 else Verdict.WRONG_ANSWER for n in range(len(sent))
    ]


# --- schedules of faults ----------------------------------------------------------------

connection_faults = st.lists(
    st.builds(Fault, st.sampled_from(CONNECTION_FAULTS), st.integers(0, 6)), max_size=12
)
protocol_faults = st.lists(
    st.builds(Fault, st.sampled_from(PROTOCOL_FAULTS), st.integers(0, 6)), max_size=1
)


@pytest.mark.usefixtures("quick")
@given(
    first=st.tuples(connection_faults, protocol_faults),
    second=connection_faults,
    size=st.integers(1, 9),
)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_any_schedule_of_faults(
    server: FaultyServer,
    other: FaultyServer,
    first: tuple[list[Fault], list[Fault]],
    second: list[Fault],
    size: int,
) -> None:
    sent = programs(40)
    async with (
        unreliable(server.url, *first[1], *first[0]) as one,
        unreliable(other.url, *second) as two,
        ExecutorClient(
            [one.url, two.url], max_batch_programs=size, connection_attempts=30
        ) as client,
    ):
        answers = await client.execute(sent, deadline_seconds=30)
        assert client.stats().programs == 40
    assert codes(answers) == [program["code"] for program in sent]
    assert [answer.id for answer in answers] == [program["id"] for program in sent]
    assert [answer.index for answer in answers] == list(range(40))


@pytest.mark.gvisor
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seed", range(2))
async def test_the_real_executor_behind_faults(live_executor: Service, seed: int) -> None:
    chance = random.Random(seed)
    kinds = [chance.choice(CONNECTION_FAULTS) for _ in range(16)]
    kinds.insert(chance.randrange(8), chance.choice(PROTOCOL_FAULTS))
    faults = [Fault(kind, chance.randrange(8)) for kind in kinds]
    sent = questions(60)
    async with (
        unreliable(live_executor.url, *faults[::2]) as one,
        unreliable(live_executor.url, *faults[1::2]) as two,
        ExecutorClient(
            [one.url, two.url], KEY, max_batch_programs=8, connection_attempts=30
        ) as client,
    ):
        check(await client.execute(sent, deadline_seconds=60), sent)


# --- a cut keeps what had come ----------------------------------------------------------


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["cut between results", "cut within a result", "reset"])
@pytest.mark.parametrize("after", [4, 5])
async def test_only_what_a_cut_left_unanswered_is_sent_again(
    server: FaultyServer, kind: Any, after: int
) -> None:
    async with (
        unreliable(server.url, Fault(kind, after)) as proxy,
        ExecutorClient(proxy.url) as client,
    ):
        answers = await client.execute(programs(20))
    assert codes(answers) == [program["code"] for program in programs(20)]
    first, second = ([program["id"] for program in body["programs"]] for body in server.bodies)
    assert len(first) == 20
    assert second == first[: 20 - after]  # the server answers from the last to the first


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("after", [4, 5])
async def test_a_cut_of_a_compressed_stream(
    server: FaultyServer, encoding: Any, after: int
) -> None:
    faults = Fault("reset", after), Fault("cut within a result", after)
    async with unreliable(server.url, *faults) as proxy, ExecutorClient(proxy.url) as client:
        proxy.encoding = encoding
        answers = await client.execute(programs(20))
    assert codes(answers) == [program["code"] for program in programs(20)]
    assert [len(body["programs"]) for body in server.bodies] == [20, 20 - after, 20 - 2 * after]


@pytest.mark.usefixtures("quick")
async def test_as_long_as_results_come_cuts_are_not_counted(server: FaultyServer) -> None:
    async with (
        unreliable(server.url) as proxy,
        ExecutorClient(proxy.url, connection_attempts=2) as client,
    ):
        proxy.always = Fault("cut between results", 1)
        assert len(await client.execute(programs(12))) == 12
    assert proxy.requests == 12


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", PROTOCOL_FAULTS)
async def test_a_stream_that_makes_no_sense_is_asked_again(server: FaultyServer, kind: Any) -> None:
    async with unreliable(server.url, Fault(kind, 2)) as proxy, ExecutorClient(proxy.url) as client:
        answers = await client.execute(programs(6))
        assert client.stats().retries == 1
    assert [answer.id for answer in answers] == [f"p{n}" for n in range(6)]
    assert codes(answers) == [program["code"] for program in programs(6)]


@pytest.mark.usefixtures("quick")
async def test_streams_that_end_empty_are_given_up(server: FaultyServer) -> None:
    server.always = lambda path, body: (200, {"content-type": "application/x-ndjson"}, b"")
    async with ExecutorClient(server.url, connection_attempts=3) as client:
        with pytest.raises(ConnectionFailed, match="ended before 2 results"):
            await client.execute(programs(2), deadline_seconds=20)
    assert len(server.bodies) == 3


@pytest.mark.usefixtures("quick")
async def test_what_was_answered_before_a_failure_is_kept(server: FaultyServer) -> None:
    async with (
        unreliable(server.url, Fault("cut between results", 3)) as proxy,
        ExecutorClient(proxy.url, connection_attempts=3) as client,
    ):
        proxy.always = Fault("refused")
        answers = await client.execute(programs(5), return_exceptions=True)
    kept = [answer.id for answer in answers if isinstance(answer, ExecuteResult)]
    assert kept == ["p2", "p3", "p4"]


@pytest.mark.usefixtures("quick")
async def test_a_hang_after_some_results_keeps_them(server: FaultyServer) -> None:
    async with (
        unreliable(server.url, Fault("hang", 3)) as proxy,
        ExecutorClient(proxy.url) as client,
    ):
        answers = await client.execute(programs(5), deadline_seconds=1, return_exceptions=True)
    missing = [isinstance(answer, DeadlineExceeded) for answer in answers]
    assert missing == [True, True, False, False, False]


async def test_line_ends_of_unicode_do_not_end_a_line(server: FaultyServer) -> None:
    odd = programs(3)
    for program in odd:
        program["code"] = "#\u2028\u2029\x85\x0b\x0c\x1c \N{SNAKE}"
    async with ExecutorClient(server.url) as client:
        assert codes(await client.execute(odd)) == [program["code"] for program in odd]
    assert len(server.bodies) == 1


async def test_a_page_of_a_proxy_is_told_as_text(server: FaultyServer) -> None:
    async with unreliable(server.url) as proxy, ExecutorClient(proxy.url) as client:
        proxy.always = Fault("500 page")
        with pytest.raises(ProtocolError, match="answered 500: Bad & gateway "):
            await client.execute(programs(1))


async def test_large_requests_travel_compressed(server: FaultyServer) -> None:
    large = [{**program, "code": "#" * 50_000} for program in programs(3)]
    async with ExecutorClient(server.url) as client:
        assert codes(await client.execute(large)) == [program["code"] for program in large]
        await client.execute(programs(1))
    first, second = server.headers
    assert first["content-encoding"] == "zstd"
    assert int(first["content-length"]) < 1000
    assert "content-encoding" not in second
    assert {"gzip", "zstd"} <= set(first["accept-encoding"].replace(" ", "").split(","))


# --- executors that are slow, gone, restarted -------------------------------------------


async def test_work_follows_the_pace(server: FaultyServer, other: FaultyServer) -> None:
    server.seconds_per_program, other.seconds_per_program = 0.1, 0.005
    async with ExecutorClient(
        [server.url, other.url], max_batch_programs=4, max_in_flight=4
    ) as client:
        await client.execute(programs(40))
        before = len(server.bodies), len(other.bodies)
        await client.execute(programs(240))
        slow, fast = len(server.bodies) - before[0], len(other.bodies) - before[1]
        assert slow + fast >= 60
        assert fast > 2 * slow > 0

        asked = len(server.bodies)
        await client.execute(programs(8))
    assert len(server.bodies) == asked  # idle, and yet later than the fast one's second batch


@pytest.mark.usefixtures("quick")
async def test_the_rest_of_a_slow_executor_moves_on(
    server: FaultyServer, other: FaultyServer
) -> None:
    server.seconds_per_program, other.seconds_per_program = 2.0, 0.001
    async with ExecutorClient([server.url, other.url], max_batch_programs=5) as client:
        began = time.monotonic()
        answers = await client.execute(programs(60), deadline_seconds=60)
        assert time.monotonic() - began < 8  # alone it would take 10 for one batch
        assert client.stats().overtakes > 0
        assert client.stats().programs == 60
    assert codes(answers) == [program["code"] for program in programs(60)]


@pytest.mark.usefixtures("quick")
async def test_an_executor_that_hangs_is_overtaken(server: FaultyServer) -> None:
    async with (
        unreliable(server.url) as hanging,
        unreliable(server.url) as proxy,
        ExecutorClient([hanging.url, proxy.url], max_batch_programs=4) as client,
    ):
        hanging.always = Fault("hang", 1)
        answers = await client.execute(programs(80), deadline_seconds=20)
    assert codes(answers) == [program["code"] for program in programs(80)]


@pytest.mark.usefixtures("quick")
async def test_an_executor_that_restarts(server: FaultyServer) -> None:
    server.seconds_per_program = 0.02
    async with (
        unreliable(server.url) as proxy,
        ExecutorClient(proxy.url, max_batch_programs=8, connection_attempts=60) as client,
    ):
        call = asyncio.create_task(client.execute(programs(100), deadline_seconds=30))
        for _ in range(2):
            await asyncio.sleep(0.2)
            await proxy.die()
            await asyncio.sleep(0.3)
            await proxy.listen()
        answers = await call
        assert client.stats().retries > 0
    assert codes(answers) == [program["code"] for program in programs(100)]


@pytest.mark.gvisor
@pytest.mark.usefixtures("quick")
async def test_an_executor_killed_amid_its_work(live_executor: Service) -> None:
    sent = questions(120)
    with running_service("runsc", "--sandboxes", "1") as victim:
        async with ExecutorClient(
            [victim.url, live_executor.url], KEY, max_batch_programs=10
        ) as client:
            call = asyncio.create_task(client.execute(sent, deadline_seconds=60))
            while client.stats().programs < 10:
                await asyncio.sleep(0.01)
            victim.process.kill()
            victim.process.wait(30)
            check(await call, sent)


@pytest.mark.usefixtures("quick")
async def test_batches_that_fail_together_wait_together() -> None:
    """However many they are, they take as long as one of them alone, a third of a second."""
    async with ExecutorClient("http://127.0.0.1:1", max_batch_programs=1) as client:
        began = time.monotonic()
        answers = await client.execute(programs(24), return_exceptions=True)
        assert client.stats().requests == 24 * 6
    assert all(isinstance(answer, ConnectionFailed) for answer in answers)
    assert time.monotonic() - began < 3


# --- executors that are full ------------------------------------------------------------


@pytest.fixture
def own_server() -> Iterator[FaultyServer]:
    server = FaultyServer()
    with serving(server) as server.url:
        yield server


async def test_no_request_before_retry_after(own_server: FaultyServer) -> None:
    own_server.room = 16
    async with ExecutorClient(own_server.url, max_batch_programs=8) as client:
        answers = await client.execute(programs(160))
    assert codes(answers) == [program["code"] for program in programs(160)]
    assert own_server.refused
    for refused in own_server.refused:
        # What was on its way already when the refusal came is not meant.
        early = [at for at in own_server.arrived if refused + 0.1 < at < refused + 0.3]
        assert early == []


async def test_the_room_of_an_executor_is_learned(own_server: FaultyServer) -> None:
    own_server.room = 16
    own_server.seconds_per_program = 0.005
    async with ExecutorClient(own_server.url, max_batch_programs=8) as client:
        await client.execute(programs(80))
        before = len(own_server.refused)
        await client.execute(programs(400))
    assert len(own_server.refused) - before <= 10  # of 50 batches


async def test_a_full_executor_leaves_the_work_to_another(
    server: FaultyServer, other: FaultyServer
) -> None:
    server.always = status(503, retry_after="30")
    async with ExecutorClient([server.url, other.url], max_batch_programs=1) as client:
        assert len(await client.execute(programs(60), deadline_seconds=20)) == 60
        asked = len(server.bodies)
        await client.execute(programs(20), deadline_seconds=20)
    assert len(server.bodies) == asked <= 8


async def test_a_new_call_heeds_what_an_earlier_one_was_told(server: FaultyServer) -> None:
    server.faults = [status(503, retry_after="3600")]
    async with ExecutorClient(server.url) as client:
        for _ in range(2):
            with pytest.raises(Overloaded):
                await client.execute(programs(1), deadline_seconds=5)
    assert len(server.bodies) == 1


# --- sandbox errors ---------------------------------------------------------------------


def lose_all(made: list[dict[str, Any]]) -> None:
    for result in made:
        result.update(verdict="sandbox_error", passed=None)


async def test_a_sandbox_error_is_tried_on_another_executor(
    server: FaultyServer, other: FaultyServer
) -> None:
    server.always = results(lose_all)
    async with ExecutorClient([server.url, other.url], max_batch_programs=4) as client:
        answers = await client.execute(programs(40))
        assert client.stats().programs == 40
    assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
    assert codes(answers) == [program["code"] for program in programs(40)]


async def test_failing_fast_attracts_no_work(server: FaultyServer, other: FaultyServer) -> None:
    server.always = results(lose_all)
    other.seconds_per_program = 0.03
    async with ExecutorClient(
        [server.url, other.url], max_batch_programs=1, max_in_flight=4
    ) as client:
        answers = await client.execute(programs(200))
    assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
    assert len(server.bodies) < 30


@pytest.mark.parametrize("then", [results(lose_all), raw(b"nonsense"), status(502)])
async def test_where_no_other_does_better_it_stays_a_sandbox_error(
    server: FaultyServer, other: FaultyServer, then: Any
) -> None:
    server.always = results(lose_all)
    other.always = then
    async with ExecutorClient([server.url, other.url]) as client:
        answers = await client.execute(programs(4), deadline_seconds=20)
        assert client.stats().programs == 4
        assert client.stats().failures == 0
    assert {answer.verdict for answer in answers} == {Verdict.SANDBOX_ERROR}
    assert len(server.bodies) + len(other.bodies) <= 3


async def test_a_single_executor_is_not_asked_again(server: FaultyServer) -> None:
    server.always = results(lose_all)
    async with ExecutorClient(server.url) as client:
        answers = await client.execute(programs(4))
    assert {answer.verdict for answer in answers} == {Verdict.SANDBOX_ERROR}
    assert len(server.bodies) == 1
