"""The asynchronous client against a server that misbehaves over a real socket."""

import asyncio
import socket
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest

from executor_api.wire import CallTest, ExecuteProgram, StdioTest
from tests.trainer_client.faulty_server import (
    VERSION,
    FaultyServer,
    codes,
    cut_connection,
    hang,
    programs,
    raw,
    results,
    status,
    too_large_above,
)
from trainer_client import (
    ConnectionFailed,
    DeadlineExceeded,
    ExecuteResult,
    ExecutorClient,
    ExecutorError,
    InvalidRequest,
    Overloaded,
    ProtocolError,
    RequestTooLarge,
    Unauthorized,
)
from trainer_client.client.endpoints import EndpointPool


@pytest.fixture
def dead_url() -> Iterator[str]:
    """An address that refuses connections: bound, so that nobody else takes it, not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


async def run_one(server: FaultyServer, **settings: Any) -> ExecuteResult:
    deadline = settings.pop("deadline_seconds", 20.0)
    async with ExecutorClient(server.url, **settings) as client:
        return (await client.execute(programs(1), deadline_seconds=deadline))[0]


# --- order and batches ------------------------------------------------------------------


async def test_a_thousand_programs_keep_their_order(server: FaultyServer) -> None:
    sent = programs(1000)
    async with ExecutorClient(server.url, max_batch_programs=7, max_in_flight=5) as client:
        answers = await client.execute(sent)
    assert [answer.id for answer in answers] == [program["id"] for program in sent]
    assert [answer.index for answer in answers] == list(range(1000))
    assert codes(answers) == [program["code"] for program in sent]
    assert len(server.bodies) == 143
    assert 1 < server.most_under_way <= 5


async def test_batches_respect_the_limit_in_bytes(server: FaultyServer) -> None:
    large = [{**program, "code": "#" * 1000} for program in programs(10)]
    async with ExecutorClient(server.url, max_batch_bytes=2500) as client:
        assert len(await client.execute(large)) == 10
    assert [len(body["programs"]) for body in server.bodies] == [2] * 5


async def test_one_program_above_the_limit_in_bytes_goes_alone(server: FaultyServer) -> None:
    mixed = programs(3)
    mixed[1]["code"] = "#" * 5000
    async with ExecutorClient(server.url, max_batch_bytes=1000) as client:
        answers = await client.execute(mixed)
    assert codes(answers) == [program["code"] for program in mixed]


async def test_no_programs_need_no_request(server: FaultyServer) -> None:
    async with ExecutorClient(server.url) as client:
        assert await client.execute([]) == []
    assert server.bodies == []


async def test_trace_keeps_order(server: FaultyServer) -> None:
    sent = [{"code": f"x = {n}"} for n in range(100)]
    async with ExecutorClient(server.url, max_batch_programs=9) as client:
        answers = await client.trace(sent)
    assert [answer.stdout for answer in answers] == [program["code"] for program in sent]
    assert [answer.index for answer in answers] == list(range(100))


async def test_models_and_dicts_are_sent_alike(server: FaultyServer) -> None:
    model = ExecuteProgram(
        code="def f(): pass",
        tests=[CallTest(kind="call", function="f", args_literal="()", expected=None)],
    )
    async with ExecutorClient(server.url) as client:
        await client.execute([model, model.model_dump(exclude_unset=True)])
    first, second = server.bodies[0]["programs"]
    assert first == second
    test = {"kind": "call", "function": "f", "args_literal": "()", "expected": None}
    assert first == {"code": "def f(): pass", "tests": [test]}


async def test_results_may_come_in_any_order(server: FaultyServer) -> None:
    server.always = results(lambda made: made.reverse())
    async with ExecutorClient(server.url) as client:
        assert codes(await client.execute(programs(5))) == [p["code"] for p in programs(5)]


async def test_the_key_is_sent_and_not_shown(server: FaultyServer) -> None:
    await run_one(server, api_key="s3cret")
    assert server.headers[0]["authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(ExecutorClient(server.url, "s3cret"))


async def test_the_server_is_given_a_little_less_time_than_we_have(server: FaultyServer) -> None:
    await run_one(server, deadline_seconds=20.0)
    assert 0 < server.bodies[0]["deadline_seconds"] < 20.0


# --- what is retried --------------------------------------------------------------------

RETRYABLE = {
    "503": status(503, retry_after="0"),
    "503 until a date": status(503, retry_after=formatdate(0, usegmt=True)),
    "503 without Retry-After": status(503),
    "429": status(429, retry_after="0.2"),
    "502": status(502),
    "504": status(504),
    "cut connection": cut_connection,
    "malformed JSON": raw(b'{"results": ['),
    "not our JSON": raw(b"[]"),
    "short result list": results(lambda made: made.pop()),
    "duplicated result": results(lambda made: made.append(made[0])),
    "wrong index": results(lambda made: made[0].update(index=7)),
    "wrong id": results(lambda made: made[0].update(id="another")),
    "500": status(500),
}


@pytest.mark.parametrize("fault", RETRYABLE.values(), ids=RETRYABLE.keys())
async def test_one_failure_is_retried(server: FaultyServer, fault: Any) -> None:
    server.faults = [fault]
    async with ExecutorClient(server.url) as client:
        answers = await client.execute(programs(2), deadline_seconds=20)
        stats = client.stats()
    assert [answer.id for answer in answers] == ["p0", "p1"]
    assert (stats.requests, stats.retries, stats.failures, stats.programs) == (2, 1, 0, 2)
    assert stats.latency.count == 1
    assert stats.latency.p95 >= stats.latency.p50 > 0


async def test_a_full_queue_is_waited_out(server: FaultyServer) -> None:
    server.faults = [status(429, retry_after="0.1")] * 12
    assert (await run_one(server)).verdict == "accepted"
    assert len(server.bodies) == 13


async def test_retry_after_is_honoured(server: FaultyServer) -> None:
    server.always = status(503, retry_after="3600")
    with pytest.raises(Overloaded) as caught:
        await run_one(server)
    assert caught.value.retry_after == 3600
    assert len(server.bodies) == 1  # an hour is beyond the deadline


async def test_a_wrong_answer_is_retried_once(server: FaultyServer) -> None:
    server.always = raw(b"{}")
    with pytest.raises(ProtocolError, match="no valid results"):
        await run_one(server)
    assert len(server.bodies) == 2


async def test_a_broken_connection_is_given_up_at_last(server: FaultyServer) -> None:
    server.always = cut_connection
    with pytest.raises(ConnectionFailed, match=server.url):
        await run_one(server, connection_attempts=3)
    assert len(server.bodies) == 3


async def test_nobody_listens(dead_url: str) -> None:
    async with ExecutorClient(dead_url, connection_attempts=2) as client:
        with pytest.raises(ConnectionFailed, match=dead_url):
            await client.execute(programs(1))
        assert client.stats().failures == 1


# --- what is not ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "error"),
    [(401, Unauthorized), (403, Unauthorized), (413, RequestTooLarge), (422, InvalidRequest)],
)
async def test_the_callers_mistakes_are_not_retried(
    server: FaultyServer, code: int, error: type[ExecutorError]
) -> None:
    server.always = status(code, "because of this")
    with pytest.raises(error, match="because of this"):
        await run_one(server)
    assert len(server.bodies) == 1


async def test_422_names_the_field_in_the_callers_list(server: FaultyServer) -> None:
    location = ["body", "programs", 1, "limits", "cpu_seconds"]
    problem = {"loc": location, "msg": "at most 60", "input": 100, "type": "limit"}
    server.always = status(422, [problem])
    async with ExecutorClient(server.url, max_batch_programs=2, max_in_flight=1) as client:
        with pytest.raises(InvalidRequest) as first:
            await client.execute(programs(4))
        answers = await client.execute(programs(4), return_exceptions=True)
    assert str(first.value) == "programs[1].limits.cpu_seconds (id 'p1'): at most 60"
    assert first.value.problems[0].value == 100
    assert str(answers[3]) == "programs[3].limits.cpu_seconds (id 'p3'): at most 60"


async def test_413_splits_the_batch(server: FaultyServer) -> None:
    server.always = too_large_above(3)
    async with ExecutorClient(server.url, max_batch_programs=16) as client:
        answers = await client.execute(programs(16))
        assert client.stats().failures == 0
    assert codes(answers) == [program["code"] for program in programs(16)]


async def test_a_program_too_large_alone_does_not_take_the_others_with_it(
    server: FaultyServer,
) -> None:
    def refuse_p2(path: str, body: dict[str, Any]) -> Any:
        return too_large_above(0 if "p2" in [p["id"] for p in body["programs"]] else 9)(path, body)

    server.always = refuse_p2
    async with ExecutorClient(server.url) as client:
        answers = await client.execute(programs(4), return_exceptions=True)
    assert [type(answer) for answer in answers] == [
        ExecuteResult,
        ExecuteResult,
        RequestTooLarge,
        ExecuteResult,
    ]


async def test_return_exceptions_keeps_the_batches_that_worked(server: FaultyServer) -> None:
    server.faults = [status(401)]
    async with ExecutorClient(server.url, max_batch_programs=2, max_in_flight=1) as client:
        answers = await client.execute(programs(6), return_exceptions=True)
    failed = [isinstance(answer, Unauthorized) for answer in answers]
    assert failed == [True, True, False, False, False, False]


async def test_the_first_failure_stops_the_rest(server: FaultyServer) -> None:
    server.faults = [hang, status(401)]
    async with ExecutorClient(server.url, max_batch_programs=1, max_in_flight=2) as client:
        with pytest.raises(Unauthorized):
            await client.execute(programs(50))
    assert len(server.bodies) < 50


# --- time and cancellation --------------------------------------------------------------


async def test_the_deadline_holds_while_the_server_is_silent(server: FaultyServer) -> None:
    server.always = hang
    with pytest.raises(DeadlineExceeded, match=server.url):
        await run_one(server, deadline_seconds=0.3)


async def test_the_deadline_holds_while_waiting_to_be_sent(server: FaultyServer) -> None:
    server.always = hang
    async with ExecutorClient(server.url, max_batch_programs=1, max_in_flight=1) as client:
        answers = await client.execute(programs(3), deadline_seconds=0.3, return_exceptions=True)
    assert all(isinstance(answer, DeadlineExceeded) for answer in answers)
    assert len(server.bodies) == 1


async def test_cancellation_leaves_nothing_behind(server: FaultyServer) -> None:
    server.always = hang
    before = asyncio.all_tasks()
    async with ExecutorClient(server.url, max_batch_programs=2, max_in_flight=3) as client:
        call = asyncio.create_task(client.execute(programs(20)))
        await _until(lambda: server.under_way == 3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert asyncio.all_tasks() == before
        await _until(lambda: server.abandoned == 3 and server.under_way == 0)
        server.always = None
        assert len(await client.execute(programs(20))) == 20  # every slot was given back


async def _until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


# --- several endpoints ------------------------------------------------------------------


def test_an_endpoint_written_in_two_ways_is_one() -> None:
    assert EndpointPool(["http://h:1", "http://h:1/", "http://g:1"]).urls == [
        "http://h:1", "http://g:1",
    ]  # fmt: skip


async def test_one_dead_endpoint_loses_nothing(server: FaultyServer, dead_url: str) -> None:
    async with ExecutorClient([dead_url, server.url], max_batch_programs=5) as client:
        answers = await client.execute(programs(200))
    assert codes(answers) == [program["code"] for program in programs(200)]


async def test_two_endpoints_share_the_work(server: FaultyServer, other: FaultyServer) -> None:
    async with ExecutorClient([server.url, other.url], max_batch_programs=5) as client:
        assert len(await client.execute(programs(200))) == 200
    assert len(server.bodies) + len(other.bodies) == 40
    assert min(len(server.bodies), len(other.bodies)) >= 10


async def test_a_failed_batch_goes_to_another_endpoint(
    server: FaultyServer, other: FaultyServer
) -> None:
    server.always = raw(b"nonsense")
    async with ExecutorClient([server.url, other.url], max_batch_programs=1) as client:
        assert len(await client.execute(programs(100))) == 100
    assert len(other.bodies) == 100
    assert 0 < len(server.bodies) < 100  # it was tried, and rested


async def test_an_endpoint_that_hangs_rests(server: FaultyServer, other: FaultyServer) -> None:
    server.always = hang
    async with ExecutorClient([server.url, other.url], max_batch_programs=1) as client:
        await client.execute(programs(8), deadline_seconds=0.5, return_exceptions=True)
        hung = len(server.bodies)
        assert hung > 0
        await client.execute(programs(1))
    assert len(server.bodies) == hung


# --- checks before sending --------------------------------------------------------------

STDIO = {"kind": "stdio", "stdout": ""}
INVALID = {
    "not a program": (7, "programs[1]: give a ExecuteProgram or a dict"),
    "no tests": ({"code": ""}, "programs[1].tests: Field required"),
    "unknown field": (
        {"code": "", "tests": [STDIO], "language_": "c"},
        "programs[1].language_: Extra inputs",
    ),
    "set": (
        {"code": "", "tests": [{"kind": "call", "function": "f", "expected": {1}}]},
        "programs[1].tests[0].expected: JSON cannot say this",
    ),
    "tuple": (
        {"code": "", "tests": [{"kind": "call", "function": "f", "args": [(1,)], "expected": 1}]},
        "programs[1].tests[0].args[0]: JSON cannot say this",
    ),
    "number as key": (
        {"code": "", "tests": [{"kind": "call", "function": "f", "expected": {1: 2}}]},
        "programs[1].tests[0].expected[1]: JSON cannot say this",
    ),
    "nan": (
        {"code": "", "tests": [{"kind": "call", "function": "f", "expected": float("nan")}]},
        "programs[1]: JSON cannot say this",
    ),
    "lone surrogate": (
        {"code": "", "tests": [{"kind": "call", "function": "f", "expected": "\ud800"}]},
        "programs[1]: JSON cannot say this",
    ),
}


@pytest.mark.parametrize(("program", "message"), INVALID.values(), ids=INVALID.keys())
async def test_a_bad_program_is_named_before_anything_is_sent(
    server: FaultyServer, program: Any, message: str
) -> None:
    async with ExecutorClient(server.url) as client:
        with pytest.raises(InvalidRequest) as caught:
            await client.execute([*programs(1), program])
    assert str(caught.value).startswith(message)
    assert server.bodies == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"endpoints": []}, "endpoints is empty"),
        ({"endpoints": "localhost:8000"}, "give it as http://HOST:PORT"),
        ({"endpoints": "http://h/?a=1"}, "leave out the query"),
        ({"endpoints": "http://h:99999"}, "'http://h:99999': its port is 99999; give one up to"),
        ({"endpoints": "http://h:0"}, "its port is 0"),
        ({"endpoints": "http://h", "api_key": "line\n"}, "api_key must be printable"),
        ({"endpoints": "http://h", "max_in_flight": 0}, "max_in_flight is 0"),
        ({"endpoints": "http://h", "deadline_seconds": -1}, "deadline_seconds is -1"),
    ],
)
def test_a_bad_setting_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExecutorClient(**arguments)


async def test_a_bad_deadline_is_named(server: FaultyServer) -> None:
    with pytest.raises(ValueError, match="deadline_seconds is 0"):
        await run_one(server, deadline_seconds=0)


# --- version, readiness, event loops ----------------------------------------------------


async def test_version(server: FaultyServer) -> None:
    async with ExecutorClient(server.url) as client:
        assert (await client.version()).model_dump() == VERSION | {"languages": []}


async def test_another_major_version_is_refused(server: FaultyServer) -> None:
    server.always = status(200)
    async with ExecutorClient(server.url) as client:
        with pytest.raises(ProtocolError, match="no version"):
            await client.version()
        server.always = raw(b"%b" % str(VERSION | {"contract": "2.0"}).replace("'", '"').encode())
        with pytest.raises(ProtocolError, match=r"speaks contract 2\.0"):
            await client.version()


async def test_ready(server: FaultyServer, dead_url: str) -> None:
    async with ExecutorClient(dead_url) as client:
        assert not await client.ready()
    async with ExecutorClient([dead_url, server.url]) as client:
        assert await client.ready()
        server.always = status(503)
        assert not await client.ready()
        server.always, server.faults = None, [status(503)] * 2
        assert await client.ready(wait_seconds=20)


def test_a_second_event_loop_is_refused(server: FaultyServer) -> None:
    client = ExecutorClient(server.url)

    async def in_another_loop() -> None:
        with pytest.raises(RuntimeError, match="belongs to another event loop"):
            await asyncio.wait_for(client.execute(programs(1)), 20)

    async def both() -> None:
        async with client:
            await client.execute(programs(1))
            await asyncio.to_thread(asyncio.run, in_another_loop())

    asyncio.run(both())


async def test_a_closed_client_says_so(server: FaultyServer) -> None:
    client = ExecutorClient(server.url)
    async with client:
        pass
    await client.aclose()
    with pytest.raises(RuntimeError, match="is closed"):
        await client.execute(programs(1))


async def test_stdio_models_round_trip_unicode(server: FaultyServer) -> None:
    program = ExecuteProgram(code="# é 漢 🐍", tests=[StdioTest(kind="stdio", stdout="é")])
    async with ExecutorClient(server.url) as client:
        assert codes(await client.execute([program])) == ["# é 漢 🐍"]
