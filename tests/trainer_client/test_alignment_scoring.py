"""Rewards of the alignment task."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_client.alignment.sample import STDOUT
from trainer_client.alignment.scoring import (
    exact_fraction,
    loose_equal,
    paper_reward,
    strict_equal,
)

literals = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)  # fmt: skip


@given(literals)
def test_a_literal_equals_itself_strictly(value: object) -> None:
    assert strict_equal(f"  {value!r} ", repr(value))


@given(literals, literals)
def test_strict_equality_is_equality_of_value_and_type(a: object, b: object) -> None:
    assert strict_equal(repr(a), repr(b)) == (ast.dump(tree(a)) == ast.dump(tree(b)))


def tree(value: object) -> ast.expr:
    """Literals are the same when their syntax is, dictionaries in one order, zero in one sign."""
    return ast.parse(repr(canonical(value)), mode="eval").body


def canonical(value: object) -> object:
    if isinstance(value, dict):
        return {k: canonical(value[k]) for k in sorted(value)}
    if isinstance(value, list | tuple):
        return type(value)(map(canonical, value))
    return 0.0 if type(value) is float and value == 0 else value


@pytest.mark.parametrize(
    ("given_", "right"),
    [
        ("1", "True"), ("1", "1.0"), ("True", "1"), ("[1]", "(1,)"), ("{1: 2}", "{1: 2.0}"),
        ("{1}", "{True}"), ("{1: 0}", "{1.0: 0}"), ("abc", "'abc'"), ("1 +", "1"), ("", "''"),
        ("[" * 5000, "[]"), ("x", "x"), ("b'a'", "'a'"),
    ],
)  # fmt: skip
def test_strictly_different(given_: str, right: str) -> None:
    assert not strict_equal(given_, right)


@pytest.mark.parametrize(
    ("given_", "right"),
    [
        ("true", "True"), ("1", "True"), ('"true"', "1"), ('" Abc "', "'abc'"), ("[1]", "(1,)"),
        ("1", "1.0"), ('"3"', "3"), ('{"1": 2}', "{1: 2}"), ("[2, 1]", "{1, 2}"), ("null", "None"),
        ('"nan"', "'nan'"), ("'NaN '", '"nan"'), ("['nan']", '["nan"]'),
    ],
)  # fmt: skip
def test_loosely_equal(given_: str, right: str) -> None:
    assert loose_equal(given_, right)


@pytest.mark.parametrize(("given_", "right"), [("2", "True"), ("[1]", "[1, 1]"), ("{}", "[]")])
def test_loosely_different(given_: str, right: str) -> None:
    assert not loose_equal(given_, right)


def test_exact_fraction_counts_answers() -> None:
    answers = {"a": "1", "b": "'x'", "c": "[1, 2]", "d": "True"}
    assert exact_fraction({"a": "1", "b": "'x'", "c": "[2]", "e": "1"}, answers) == 0.5
    assert exact_fraction(answers, answers) == 1.0
    assert exact_fraction(None, answers) == 0.0
    assert exact_fraction({"a": "1"}, {}) == 0.0


def test_paper_reward_has_a_floor_and_counts_standard_output() -> None:
    answers = {"a": "1", "b": "2", STDOUT: "'3\\n'"}
    assert paper_reward(None, answers) == 0.0
    assert paper_reward({}, answers) == pytest.approx(0.1)
    assert paper_reward({"a": "1"}, answers) == pytest.approx(0.1 + 0.9 / 3)
    everything = {"a": "1", "b": "2", STDOUT: '"3"'}
    assert paper_reward(everything, answers) == pytest.approx(1.0)
