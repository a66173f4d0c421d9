"""Which calls assertions are about."""

import pytest

from executor_api.wire import AssertTest, CallSpec, CallTest
from trainer_client.alignment.calls import call_of
from trainer_client.alignment.sample import AlignmentSample


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("assert f(1, (2,)) == 3", CallSpec(function="f", args_literal="(1, (2,))", kwargs={})),
        ("assert f() == 3", CallSpec(function="f", args_literal="()", kwargs={})),
        (
            "assert S().f(x='a') == 3",
            CallSpec(function="S.f", args_literal="()", kwargs={"x": "a"}),
        ),
    ],
)
def test_an_assertion_about_a_call_is_that_call(code: str, call: CallSpec) -> None:
    assert call_of(AssertTest(kind="assert", code=code)) == call


def test_a_question_about_any_call_survives_its_way_as_json() -> None:
    for call in (
        CallSpec(function="f", args=[1]),
        CallSpec(function="f", args_literal="({1},)"),
        CallSpec(function="f"),
    ):
        sample = AlignmentSample(program="", call=call, variables={"x": "1"})
        assert AlignmentSample.model_validate_json(sample.model_dump_json()) == sample


@pytest.mark.parametrize(
    "code",
    [
        "assert f(x) == 3",
        "assert f(*[1]) == 3",
        "assert f(**{'a': 1}) == 3",
        "assert f(a={1: 2}) == 3",
        "assert S(1).f() == 3",
        "assert f(1) == 3; assert f(2) == 3",
        "assert not f(1)",
        "x = 1",
        "assert f(",
    ],
)
def test_other_test_code_is_none(code: str) -> None:
    assert call_of(AssertTest(kind="assert", code=code)) is None


def test_a_call_keeps_what_was_given_alone() -> None:
    test = CallTest(kind="call", function="f", args=[1], expected=2)
    assert call_of(test) == CallSpec(function="f", args=[1])
