"""The client against the real service under gVisor."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service import KEY, Service, running_service
from trainer_client import (
    CallTest,
    ConnectionFailed,
    ExecuteProgram,
    ExecutorClient,
    ExecutorError,
    InvalidRequest,
    SyncExecutorClient,
    TraceProgram,
    Unauthorized,
    Verdict,
)

pytestmark = pytest.mark.gvisor

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service("runsc", CODERL_MAX_BODY_BYTES="100000") as running:
        yield running


def echo(count: int) -> list[dict[str, Any]]:
    """Programs that print their number; every third is asked for another one."""
    return [
        {
            "id": f"p{n}",
            "code": f"print({n})",
            "tests": [{"kind": "stdio", "stdout": str(n if n % 3 else -1)}],
        }
        for n in range(count)
    ]


def expected(count: int) -> list[Verdict]:
    return [Verdict.ACCEPTED if n % 3 else Verdict.WRONG_ANSWER for n in range(count)]


def stuck(count: int, **limits: float) -> list[dict[str, Any]]:
    """Programs that never end, each another, so that none is spared as a copy."""
    tests = [{"kind": "stdio", "stdout": ""}]
    return [{"code": f"while True: {n}", "tests": tests, "limits": limits} for n in range(count)]


async def test_version_and_readiness(service: Service) -> None:
    async with ExecutorClient(service.url, KEY) as client:
        assert await client.ready(wait_seconds=30)
        assert (await client.version()).runtime == "runsc"


async def test_verdicts_keep_their_order(service: Service) -> None:
    async with ExecutorClient(service.url, KEY, max_batch_programs=7) as client:
        results = await client.execute(echo(100))
        assert client.stats().programs == 100
    assert [result.verdict for result in results] == expected(100)
    assert [result.index for result in results] == list(range(100))
    assert [result.tests[0].stdout for result in results] == [f"{n}\n" for n in range(100)]


async def test_models_in_and_out(service: Service) -> None:
    program = ExecuteProgram(
        code="def swap(pair):\n    return pair[1], pair[0]\n",
        tests=[
            CallTest(
                kind="call",
                function="swap",
                args_literal="((1, {2}),)",
                expected_literal="({2}, 1)",
            )
        ],
    )
    async with ExecutorClient(service.url, KEY) as client:
        (result,) = await client.execute([program])
    assert result.verdict is Verdict.ACCEPTED
    assert result.tests[0].value == "({2}, 1)"


async def test_trace(service: Service) -> None:
    sent = [TraceProgram(code=f"x = {n}\nx += 1\n", detail="final") for n in range(20)]
    async with ExecutorClient(service.url, KEY, max_batch_programs=3) as client:
        results = await client.trace(sent)
    assert [result.status for result in results] == ["completed"] * 20
    assert [result.final["0"]["x"].value for result in results] == [str(n + 1) for n in range(20)]


async def test_wrong_key(service: Service) -> None:
    for key in (None, "wrong"):
        async with ExecutorClient(service.url, key) as client:
            with pytest.raises(Unauthorized, match="API key"):
                await client.execute(echo(1))


async def test_a_limit_above_the_maximum_is_named_in_the_callers_list(service: Service) -> None:
    sent = echo(9)
    sent[7]["limits"] = {"cpu_seconds": 1e6}
    async with ExecutorClient(service.url, KEY, max_batch_programs=4) as client:
        with pytest.raises(InvalidRequest) as caught:
            await client.execute(sent)
    assert caught.value.problems[0].path == "programs[7].limits.cpu_seconds"


async def test_programs_the_server_refuses_do_not_take_the_others_with_them(
    service: Service,
) -> None:
    sent = echo(20)
    refused = {0: {"cpu_seconds": 1e6}, 7: {"memory_mb": 10**6}, 8: {"processes": 10**6}}
    for index, limits in refused.items():
        sent[index] |= {"id": f"rollout{index}", "limits": limits}
    async with ExecutorClient(service.url, KEY) as client:
        results = await client.execute(sent, return_exceptions=True)
        assert client.stats().failures == len(refused)
    for index, (result, verdict) in enumerate(zip(results, expected(20), strict=True)):
        if index in refused:
            assert isinstance(result, InvalidRequest)
            (field,) = refused[index]
            assert str(result).startswith(
                f"programs[{index}].limits.{field} (id 'rollout{index}'): "
            )
        else:
            assert not isinstance(result, ExecutorError)
            assert result.verdict == verdict


async def test_a_batch_too_large_for_the_server_is_split(service: Service) -> None:
    sent = [program | {"code": f"{program['code']}  #{'x' * 30_000}"} for program in echo(12)]
    async with ExecutorClient(service.url, KEY) as client:
        results = await client.execute(sent)
    assert [result.verdict for result in results] == expected(12)


async def test_a_dead_executor_beside_a_live_one(service: Service) -> None:
    async with ExecutorClient(["http://127.0.0.1:1", service.url], KEY) as client:
        assert [r.verdict for r in await client.execute(echo(50))] == expected(50)


async def test_cancellation_frees_the_service(service: Service) -> None:
    async with ExecutorClient(service.url, KEY) as client:
        call = asyncio.create_task(client.execute(stuck(60, cpu_seconds=5)))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        results = await client.execute(echo(3), deadline_seconds=50)
    assert [result.verdict for result in results] == expected(3)


async def test_at_the_deadline_a_busy_service_answers_what_it_has(service: Service) -> None:
    async with ExecutorClient(service.url, KEY) as client:
        others = asyncio.create_task(client.execute(stuck(8, cpu_seconds=20, wall_seconds=20)))
        await asyncio.sleep(1)
        results = await client.execute(echo(3), deadline_seconds=6)
        others.cancel()
        await asyncio.wait([others])
    assert [result.verdict for result in results] == [Verdict.SKIPPED] * 3
    assert [result.passed for result in results] == [None] * 3  # never 'wrong'


async def test_sync_face_beside_a_running_loop(service: Service) -> None:
    with SyncExecutorClient(service.url, KEY) as client:
        assert [result.verdict for result in client.execute(echo(10))] == expected(10)


def test_the_documented_examples_run(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    complete = [block for block in blocks if "import" in block]
    for block in complete:
        exec(block.replace("http://127.0.0.1:8000", service.url).replace('"secret"', repr(KEY)), {})
    assert capsys.readouterr().out.splitlines() == ["rollout-7 wrong_answer 0/1", "2"]


async def test_a_service_that_is_gone() -> None:
    with running_service("runsc") as gone:
        async with ExecutorClient(gone.url, KEY, connection_attempts=2) as client:
            assert len(await client.execute(echo(1))) == 1
            gone.process.kill()
            gone.process.wait(30)
            with pytest.raises(ConnectionFailed):
                await client.execute(echo(1))
