"""Rewards as TRL calls them, judged by the real executor under gVisor."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest

from executor_api.wire import AssertTest, StdioTest
from tests.service import KEY, Service
from trainer_client import ExecutorClient, InvalidRequest, Unauthorized
from trainer_client.alignment.formats import ChatFormat, JsonFormat
from trainer_client.alignment.reward import AlignmentReward
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.client.answers import NoVerdicts
from trainer_client.data.problem import Problem
from trainer_client.data.rows import Row, alignment_row, code_row
from trainer_client.extraction import fenced, raw, resolve_extract
from trainer_client.rewards import ExecutionReward

UNREACHABLE = "http://127.0.0.1:9"
DOUBLE = Problem(
    id="double",
    prompt="Double it.",
    tests=[StdioTest(kind="stdio", stdin=f"{n}\n", stdout=f"{2 * n}\n") for n in (0, 1, 2, 2)],
)
QUESTION = AlignmentSample(program="x = 1\ny = x + 1\n", variables={"x": "1", "y": "2"})

RIGHT = "```python\nprint(2 * int(input()))\n```"
SQUARE = "```python\nprint(int(input()) ** 2)\n```"
BROKEN = "```python\nprint(\n```"


@pytest.fixture
async def client(live_executor: Service) -> AsyncIterator[ExecutorClient]:
    async with ExecutorClient(live_executor.url, KEY) as made:
        yield made


def columns(*rows: Row) -> dict[str, Any]:
    return {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}


async def score(
    reward: ExecutionReward, *completions: Any, rows: list[Row] | None = None
) -> tuple[list[float | None], dict[str, float], list[Any]]:
    chosen = rows or [code_row(DOUBLE)] * len(completions)
    logged: dict[str, float] = {}
    extra: defaultdict[str, list[Any]] = defaultdict(list)
    rewards = await reward(
        prompts=[row["prompt"] for row in chosen],
        completions=list(completions),
        log_metric=logged.__setitem__,
        log_extra=lambda name, values: extra[name].extend(values),
        trainer_state=None,
        **columns(*chosen),
    )
    return rewards, logged, extra["verdict"]


@pytest.mark.gvisor
async def test_binary_is_one_only_when_all_tests_pass(client: ExecutorClient) -> None:
    reward = ExecutionReward(client)
    rewards, logged, verdicts = await score(reward, RIGHT, SQUARE, BROKEN, "no code")
    assert rewards == [1.0, 0.0, 0.0, 0.0]
    assert verdicts == ["accepted", "wrong_answer", "compile_error", "no_code"]
    assert (logged["code/reward"], logged["code/pass_rate"]) == (0.25, 0.25)
    assert logged["code/verdict/no_code"] == 1
    assert (logged["executor/programs"], logged["executor/failures"]) == (3, 0)
    assert logged["executor/latency_seconds"] > 0
    rollouts = [scored.rollout for scored in reward.take_scored()]
    assert [r and r.failed for r in rollouts] == [False, True, True, None]
    assert reward.take_scored() == []
    assert 0 < reward.take_waited() < 60
    assert reward.take_waited() == 0


@pytest.mark.gvisor
async def test_fraction_is_the_share_of_tests_passed(client: ExecutorClient) -> None:
    rewards, logged, _ = await score(ExecutionReward(client, "fraction"), RIGHT, SQUARE, BROKEN)
    assert rewards == [1.0, 0.75, 0.0]
    assert logged["code/pass_rate"] == pytest.approx(1 / 3)


@pytest.mark.gvisor
async def test_equal_programs_are_run_once_and_rewarded_alike(client: ExecutorClient) -> None:
    rewards, logged, _ = await score(ExecutionReward(client), SQUARE, RIGHT, SQUARE, RIGHT)
    assert rewards == [0.0, 1.0, 0.0, 1.0]
    assert client.stats().programs == 2
    assert logged["executor/programs"] == 4


@pytest.mark.gvisor
async def test_what_was_begun_is_awaited_and_not_sent_again(client: ExecutorClient) -> None:
    """A row at a time, as completions end; then the whole batch, with one program never begun."""
    reward = ExecutionReward(client)
    batch = dict.fromkeys(range(4), code_row(DOUBLE))
    texts = [SQUARE, RIGHT, SQUARE, BROKEN]
    await reward.begin(batch, {2: SQUARE})
    await reward.begin(batch, {1: RIGHT, 0: SQUARE})
    rollouts = await reward.judge(batch, dict(enumerate(texts[:3])) | {3: "no code"})
    assert [r.failed for r in rollouts] == [True, False, True]
    assert client.stats().programs == 2
    reward.take_waited()
    rewards, logged, _ = await score(reward, *texts)
    assert rewards == [0.0, 1.0, 0.0, 0.0]
    assert client.stats().programs == 3
    assert logged["executor/programs"] == 4
    assert reward.take_waited() <= logged["executor/latency_seconds"] + 0.1


@pytest.mark.gvisor
async def test_what_was_begun_in_vain_is_given_up(client: ExecutorClient) -> None:
    reward = ExecutionReward(client)
    forever = "```python\nwhile True: pass\n```"
    before = asyncio.all_tasks()
    await reward.begin({0: code_row(DOUBLE)}, {0: forever})
    assert (await score(reward, RIGHT))[0] == [1.0]
    await reward.begin({0: code_row(DOUBLE)}, {0: forever})
    await reward.aclose()
    await asyncio.sleep(0.1)
    assert not asyncio.all_tasks() - before
    assert client.stats().programs <= 3


@pytest.mark.gvisor
async def test_conversations_are_read_and_alignment_rows_left_out(client: ExecutorClient) -> None:
    rows = [code_row(DOUBLE), alignment_row(QUESTION, "?")]
    spoken = [{"role": "assistant", "content": RIGHT}]
    rewards, _, verdicts = await score(ExecutionReward(client), spoken, spoken, rows=rows)
    assert rewards == [1.0, None]
    assert verdicts == ["accepted", None]


@pytest.mark.gvisor
async def test_a_text_goes_on_where_its_prompt_ends(client: ExecutorClient) -> None:
    test = AssertTest(kind="assert", code="assert double(2) == 4")
    start = "import math\n\ndef double(x):\n"
    problem = Problem(id="d", prompt="Double it.\n", starter_code=start, tests=[test])
    reward = ExecutionReward(client, extract=raw)
    completions = (
        "    return 2 * x\n",
        "    return 2 * x\n\nprint(double(",  # cut
        "def double(y): return y + y",
        "return 2 * x",
    )
    rewards, _, _ = await score(reward, *completions, rows=[code_row(problem, "text")] * 4)
    assert rewards == [1.0, 1.0, 1.0, 0.0]
    rewards, _, _ = await score(reward, completions[0], rows=[code_row(problem, "chat")])
    assert rewards == [0.0]  # a conversation asks for the whole


@pytest.mark.gvisor
async def test_a_verdict_that_a_batch_has_none_of_counts_as_zero(client: ExecutorClient) -> None:
    reward = ExecutionReward(client)
    await score(reward, RIGHT, "no code")
    _, logged, _ = await score(reward, RIGHT, SQUARE)
    verdicts = {name[13:]: count for name, count in logged.items() if "/verdict/" in name}
    assert verdicts == {"accepted": 1, "no_code": 0, "wrong_answer": 1}


async def test_no_verdict_is_none_and_too_many_batches_of_it_an_error() -> None:
    async with ExecutorClient(UNREACHABLE, connection_attempts=1) as client:
        reward = ExecutionReward(client, patience=2)
        rewards, logged, verdicts = await score(reward, RIGHT, "no code")
        assert rewards == [None, 0.0]
        assert verdicts == ["no_answer", "no_code"]
        assert logged["executor/failures"] == 1
        assert [scored.rollout for scored in reward.take_scored()] == [None, None]
        with pytest.raises(NoVerdicts, match="2 batches in a row.*check the executor"):
            await score(reward, RIGHT)


async def test_a_column_that_the_dataset_lacks_is_named() -> None:
    row = {name: value for name, value in code_row(DOUBLE).items() if name != "limits"}
    async with ExecutorClient(UNREACHABLE) as client:
        with pytest.raises(ValueError, match="no column 'limits': make it with to_dataset"):
            await score(ExecutionReward(client), RIGHT, rows=[row])


async def test_batches_without_a_program_say_nothing_of_the_executor() -> None:
    async with ExecutorClient(UNREACHABLE, connection_attempts=1) as client:
        reward = ExecutionReward(client, patience=1)
        for _ in range(2):
            assert (await score(reward, "no code", "none"))[0] == [0.0, 0.0]


@pytest.mark.gvisor
async def test_what_the_recipe_has_to_mend_is_raised(live_executor: Service) -> None:
    async with ExecutorClient(live_executor.url, "wrong") as client:
        with pytest.raises(Unauthorized):
            await score(ExecutionReward(client), RIGHT)
    async with ExecutorClient(live_executor.url, KEY) as client:
        greedy = DOUBLE.model_copy(
            update={"limits": DOUBLE.limits.model_copy(update={"memory_mb": 10**6})}
        )
        row = {**code_row(greedy), "limits": '{"memory_mb": 1000000}'}
        with pytest.raises(InvalidRequest, match="memory_mb"):
            await score(ExecutionReward(client), RIGHT, rows=[row])


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        ("```python\na\n```\nand\n```python\nb\n```", "b\n"),
        ("```\na\n```", "a\n"),
        ("```py\na\n```\n```\noutput\n```", "a\n"),
        ("```json\n{}\n```", None),
        ("```python\nunfinished", None),
        ("plain", None),
        ("```python\ns = '''x ``` y'''\n```", "s = '''x ``` y'''\n"),
    ],
)
def test_the_last_fenced_python_block(completion: str, code: str | None) -> None:
    assert fenced(completion) == code


def test_extraction_is_named_in_the_recipe() -> None:
    assert resolve_extract("fenced") is fenced
    assert resolve_extract("raw") is raw
    assert resolve_extract("trainer_client.extraction:raw") is raw
    for bad in ("fence", "no.such:thing", "trainer_client.extraction:nothing"):
        with pytest.raises(ValueError, match="reward.extract is "):
            resolve_extract(bad)


def test_alignment_rows_are_scored_and_code_rows_left_out() -> None:
    rows = [code_row(DOUBLE)] + [alignment_row(QUESTION, "?")] * 3
    logged: dict[str, float] = {}
    rewards = AlignmentReward(ChatFormat())(
        prompts=[None] * 4,
        completions=[RIGHT, "```\nx = 1\ny = 2\n```", "```\nx = 1\ny = True\n```", "?"],
        log_metric=logged.__setitem__,
        **columns(*rows),
    )
    assert rewards == [None, 1.0, 0.5, 0.0]
    assert logged["alignment/reward"] == 0.5
    assert logged["alignment/exact"] == pytest.approx(1 / 3)
    assert logged["alignment/parsed"] == pytest.approx(2 / 3)


def test_the_papers_scoring_with_its_format() -> None:
    rows = [alignment_row(QUESTION.model_copy(update={"ask_stdout": True}), "?")] * 2
    rewards = AlignmentReward(JsonFormat(), "paper")(
        prompts=[None] * 2,
        completions=['{"final_output": "", "variables": {"x": "1", "y": 3}}', "?"],
        **columns(*rows),
    )
    assert rewards == [pytest.approx(0.1 + 0.9 * 2 / 3), 0.0]
