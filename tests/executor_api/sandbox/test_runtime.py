"""What every runtime promises, whichever it is."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from executor_api.sandbox.process import ProcessRuntime
from executor_api.sandbox.runtime import Runtime, RuntimeUnavailable, Sandbox, SandboxDied

Evaluate = Callable[[Sandbox, str], Awaitable[str]]
EVALUATOR = Path(__file__).parent / "evaluator"


async def test_carries_bytes_both_ways(runtime: Runtime, evaluate: Evaluate) -> None:
    sandbox = await runtime.start()
    assert await evaluate(sandbox, "6 * 7") == "42"
    await sandbox.stop()


async def test_carries_megabytes(runtime: Runtime, evaluate: Evaluate) -> None:
    sandbox = await runtime.start()
    text = "é" * 2_000_000
    assert await evaluate(sandbox, f"'{text}'[::-1]") == repr(text)
    await sandbox.stop()


async def test_two_start_in_parallel_and_share_no_state(
    runtime: Runtime, evaluate: Evaluate
) -> None:
    first, second = await asyncio.gather(runtime.start(), runtime.start())
    assert first.id != second.id
    await evaluate(first, "open('mark', 'w')")
    assert await evaluate(first, "os.path.exists('mark')") == "True"
    assert await evaluate(second, "os.path.exists('mark')") == "False"
    await asyncio.gather(first.stop(), second.stop())


async def test_says_why_it_died(runtime: Runtime, evaluate: Evaluate) -> None:
    sandbox = await runtime.start()
    with pytest.raises(SandboxDied, match="exit status 7.*last words"):
        await evaluate(
            sandbox,
            "(os.write(2, b'last words'), os._exit(7))",
        )
    assert "exit status 7" in await sandbox.why_dead()
    await sandbox.stop()


async def test_send_to_a_stopped_sandbox_raises(runtime: Runtime, evaluate: Evaluate) -> None:
    sandbox = await runtime.start()
    await evaluate(sandbox, "1")
    await sandbox.stop()
    with pytest.raises(SandboxDied):
        await evaluate(sandbox, "1")


async def test_stop_is_idempotent_and_concurrent(runtime: Runtime) -> None:
    sandbox = await runtime.start()
    await asyncio.gather(sandbox.stop(), sandbox.stop())
    await sandbox.stop()


async def test_stop_completes_though_its_caller_is_cancelled(
    runtime: Runtime, evaluate: Evaluate
) -> None:
    sandbox = await runtime.start()
    await evaluate(sandbox, "1")
    stopping = asyncio.create_task(sandbox.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await sandbox.stop()
    with pytest.raises(SandboxDied):
        await evaluate(sandbox, "1")


async def test_stop_ends_a_busy_sandbox(runtime: Runtime, evaluate: Evaluate) -> None:
    sandbox = await runtime.start()
    busy = asyncio.create_task(evaluate(sandbox, "[0 for _ in iter(int, 1)]"))
    await asyncio.sleep(0.5)
    await sandbox.stop()
    with pytest.raises(SandboxDied):
        await busy


async def test_close_stops_what_still_runs(runtime: Runtime, evaluate: Evaluate) -> None:
    sandbox = await runtime.start()
    await evaluate(sandbox, "1")
    await runtime.close()
    with pytest.raises(SandboxDied):
        await evaluate(sandbox, "1")


async def test_nothing_of_the_services_environment_enters(
    runtime: Runtime, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODERL_API_KEYS", "secret")
    sandbox = await runtime.start()
    environment = await evaluate(sandbox, "dict(os.environ)")
    assert "secret" not in environment
    assert "'PYTHONHASHSEED': '0'" in environment
    await sandbox.stop()


async def test_unsafe_process_names_a_missing_supervisor(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"supervisor\.py does not exist"):
        await ProcessRuntime(guest=tmp_path).verify()


async def test_unsafe_process_leaves_no_directory(evaluate: Evaluate) -> None:
    runtime = ProcessRuntime(guest=EVALUATOR)
    sandbox = await runtime.start()
    box = Path((await evaluate(sandbox, "os.getcwd()")).strip("'"))
    assert box.is_dir()
    await sandbox.stop()
    assert not box.exists()
