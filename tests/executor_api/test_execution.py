"""What stands for observations that there are none of."""

from executor_api.judge.assertions import convert
from executor_api.judge.plan import plan
from executor_api.judging import Judging, _with_rest
from executor_api.observation import End, Observation, Outcome
from executor_api.wire import AssertTest, ExecuteProgram, Verdict

WENT_WELL = Observation(End.ANSWERED, outcome=Outcome.RETURNED, value=1)
RAISED = Observation(End.ANSWERED, outcome=Outcome.RAISED)


def test_a_test_whose_time_was_over_between_two_calls_is_over_time() -> None:
    two_calls = convert("assert f(1) == 1\nassert f(2) == 1", "")
    assert two_calls is not None
    failure = two_calls.judge(_with_rest([WENT_WELL]))
    assert failure is not None
    assert (failure.verdict, failure.limit) == (Verdict.TIME_LIMIT, "wall")


def test_what_was_not_begun_was_not_run_and_what_failed_explains_itself() -> None:
    assert [seen.end for seen in _with_rest([])] == [End.NOT_RUN]
    assert _with_rest([WENT_WELL, RAISED]) == [WENT_WELL, RAISED]


async def test_what_waits_to_be_judged_is_bounded() -> None:
    code = "\n".join(f"assert f({n}) == {n}" for n in range(4))
    test = AssertTest(kind="assert", code=code)
    judging = Judging(plan(ExecuteProgram(code="", tests=[test, test])))
    for n in range(4):
        large = Observation(End.ANSWERED, outcome=Outcome.RETURNED, value=n, payload_bytes=20 << 20)
        await judging.take(large)
    for n in range(4):
        await judging.take(Observation(End.ANSWERED, outcome=Outcome.RETURNED, value=n))
    first, second = await judging.results()
    assert (first.verdict, second.verdict) == (Verdict.INVALID_VALUE, Verdict.ACCEPTED)
    assert "more than 32 MiB" in (first.message or "")
