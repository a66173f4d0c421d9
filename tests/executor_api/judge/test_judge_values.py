"""Comparison of plain values."""

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor_api.judge.values import Rules, difference, unordered_difference
from tests.executor_api.judge.plain_data import plain

STRICT = Rules()
JSON = Rules(loose_sequences=True, json_keys=True)
NAN = math.nan

EQUAL: list[tuple[Any, Any]] = [
    (None, None),
    (3, 3.0),
    (3.0, 3),
    (1 + 0j, 1),
    (0.1 + 0.2, 0.3),
    (1e9 + 100, 1e9),
    (NAN, NAN),
    ([NAN, {1: NAN}], [float("nan"), {1: float("nan")}]),
    (complex(1, 1e-9), 1 + 0j),
    ({1.0, 2.0000001}, {1, 2}),
    ({(1.0000001, "a"), (1.0, "b")}, {(1.0, "a"), (1.0000001, "b")}),
    ({NAN}, {float("nan")}),
    ({NAN: 1, -NAN: 2}, {float("nan"): 2, float("-nan"): 1}),
    (frozenset({1}), frozenset({1})),
    ({"a": [1, 2]}, {"a": [1, 2]}),
    ({(1, 2): 3.0000001}, {(1, 2): 3}),
    ({1: 2, "x": 3}, {"x": 3, 1: 2}),
    (10**4000, 10**4000),
    (5e13, 5 * 10**13),
    (5.0000001e13, 5e13),
    (math.inf, math.inf),
]
DIFFERENT: list[tuple[Any, Any]] = [
    (1, True),
    (True, 1),
    (0, None),
    (False, None),
    ("1", 1),
    (b"a", "a"),
    ([1], (1,)),
    ({1}, frozenset({1})),
    ({1}, [1]),
    ([1, 2], [1]),
    ([1], [1, 2]),
    ([1, True], [1, 1]),
    ({1}, {True}),
    ({True: "a"}, {1: "a"}),
    ({"1": "a"}, {1: "a"}),
    ({1: "a"}, {"1": "a"}),
    ({1: 2}, {1: 2, 3: 4}),
    ({1: 2, 3: 4}, {1: 2}),
    ({1: 2}, {3: 2}),
    ({1, 2}, {1, 3}),
    ({1.0, 2.1}, {1, 2}),
    (1.1, 1),
    (10**16 + 1, 10**16),
    (10**400, 1.5),
    (10**400, math.inf),
    (math.inf, -math.inf),
    (math.inf, 1e308),
    (NAN, 0.0),
    (complex(1, 1e-3), 1 + 0j),
    (complex(NAN, 1), complex(NAN, 2)),
    (1e308 * 1j, 1.0),
]


@pytest.mark.parametrize(("actual", "expected"), EQUAL)
def test_equal(actual: Any, expected: Any) -> None:
    assert difference(actual, expected, STRICT) is None
    assert difference(expected, actual, STRICT) is None


@pytest.mark.parametrize(("actual", "expected"), DIFFERENT)
def test_different(actual: Any, expected: Any) -> None:
    assert difference(actual, expected, STRICT) is not None
    assert difference(expected, actual, STRICT) is not None


def test_loose_sequences_let_a_tuple_equal_a_list() -> None:
    assert difference([(1, 2), [3]], [[1, 2], (3,)], JSON) is None
    assert difference({(1, 2)}, [[1, 2]], JSON) is not None
    assert difference({1}, [1], JSON) is not None


def test_json_keys_hold_in_any_order() -> None:
    numbers = range(195)
    actual, expected = [{n: 0} for n in numbers], [{str(n): 0} for n in reversed(numbers)]
    assert unordered_difference(actual, expected, JSON) is None
    assert unordered_difference(actual, [*expected[1:], {"1": 0}], JSON) is not None


def test_json_keys_let_a_string_stand_for_an_int() -> None:
    assert difference({1: {2: "a"}}, {"1": {"2": "a"}}, JSON) is None
    assert difference({-1: 0}, {"-1": 0}, JSON) is None
    assert difference({"1": 0}, {"1": 0}, JSON) is None
    assert difference({True: 0}, {"True": 0}, JSON) is not None
    assert difference({1: 0, "2": 0}, {"1": 0, "2": 0}, JSON) is not None
    assert difference({(1, 2): 0}, {"(1, 2)": 0}, JSON) is not None


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        ([1, [2, {"a": 3}]], [1, [2, {"a": 4}]], "at [1][1]['a']: expected 4, got 3"),
        ([1], [1, 2], "expected 2 items, got 1"),
        ({"a": 1}, {"b": 1}, "the key 'b' is missing"),
        ({1, 2}, {1, 3}, "the item 3 is missing"),
        ("a", 1, "expected int 1, got str 'a'"),
        (None, [], "expected list [], got None"),
    ],
)
def test_says_where(actual: Any, expected: Any, words: str) -> None:
    found = difference(actual, expected, STRICT)
    assert found is not None and words in found


def test_tolerance_of_zero_is_equality() -> None:
    assert difference(0.1 + 0.2, 0.3, Rules(float_tolerance=0)) is not None
    assert difference(0.3, 0.3, Rules(float_tolerance=0)) is None


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        ([3, 1, 2], [1, 2, 3], True),
        ([[1, 2], [3]], [[3], [1, 2]], True),
        ([[2, 1]], [[1, 2]], False),
        ([1, 1, 2], [1, 2, 2], False),
        ([1, 2], [1, 2, 2], False),
        ([1, None, "a", 2.0, (1,)], [(1,), "a", 2, None, 1], True),
        ([1, True], [True, True], False),
        ([0.3, 0.1], [0.1, 0.1 + 0.2], True),
        ([(1.0000001, 5), (1.0, 7)], [(1.0, 5), (1.0000001, 7)], True),
        ([(1.1, 5), (1.0, 7)], [(1.0, 5), (1.1, 7)], False),
        ((1, 2), [2, 1], False),
        ({1, 2}, {2, 1}, True),
        (5, 5, True),
        (5, 6, False),
    ],
)
def test_unordered(actual: Any, expected: Any, same: bool) -> None:
    assert (unordered_difference(actual, expected, STRICT) is None) is same


def test_unordered_sorts_large_lists() -> None:
    items = [[i % 7, str(i)] for i in range(20_000)]
    assert unordered_difference(items[::-1], items, STRICT) is None
    assert unordered_difference([*items[1:], [0, "x"]], items, STRICT) is not None


def test_bottomless_values_are_different_rather_than_fatal() -> None:
    a: Any = []
    b: Any = []
    for _ in range(5000):
        a, b = [a], [b]
    assert difference(a, b, STRICT) is not None
    assert unordered_difference([a], [b], STRICT) is not None


@given(plain)
def test_reflexive(value: Any) -> None:
    for rules in (STRICT, JSON, Rules(float_tolerance=0)):
        assert difference(value, value, rules) is None
        assert unordered_difference(value, value, rules) is None


@given(plain, plain)
def test_symmetric_in_verdict(a: Any, b: Any) -> None:
    exactly = Rules(float_tolerance=0)
    assert (difference(a, b, exactly) is None) == (difference(b, a, exactly) is None)


@given(st.lists(st.integers(0, 5), max_size=8), st.lists(st.integers(0, 5), max_size=8))
def test_unordered_is_multiset_equality(a: list[int], b: list[int]) -> None:
    assert (unordered_difference(a, b, STRICT) is None) == (Counter(a) == Counter(b))


def test_where_an_int_is_expected_nothing_is_relative() -> None:
    assert difference(5e13, 5 * 10**13 + 5, STRICT) is not None
    assert difference(5 * 10**13 + 5, 5e13, STRICT) is None
    assert difference(3.0000001, 3, STRICT) is None
