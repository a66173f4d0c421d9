"""Checkers of standard output."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor_api.judge.text import TextChecker, difference

SAME: list[tuple[TextChecker, str, str]] = [
    ("exact", "1 2\n", "1 2"),
    ("exact", "1 2  \n3\t\n\n\n", "1 2\n3\n"),
    ("exact", "a\r\nb\r\n", "a\nb\n"),
    ("tokens", "1 2\n3", "1\n2 3\n"),
    ("tokens", "0.3333333", "0.33333333333"),
    ("tokens", "1000000.5", "1000000.0"),
    ("tokens", "3", "3.0"),
    ("tokens", "1e3", "1000.0"),
    ("tokens", "-nan", "nan"),
    ("tokens", "Infinity", "inf"),
    ("tokens", "-inf", "-Infinity"),
    ("tokens", "", " \n"),
    ("lines", "  a  \n\n b", "a\nb\n"),
    ("unordered_lines", "b\na\na\n", "a\nb\na"),
]
APART: list[tuple[TextChecker, str, str, str]] = [
    ("exact", " 1", "1", "line 1: expected '1', got ' 1'"),
    ("exact", "1  2", "1 2", "line 1"),
    ("exact", "a\n\nb", "a\nb", "line 2: expected 'b', got ''"),
    ("tokens", "1 2", "1 3", "token 2, line 1: expected '3', got '2'"),
    ("tokens", "1\n\n4", "1\n3", "token 2, line 3"),
    ("tokens", "1", "1 2", "expected 2 tokens, got 1; the first missing one is '2'"),
    ("tokens", "1 2 3", "1 2", "expected 2 tokens, got 3; the first unexpected one is '3'"),
    ("tokens", "", "0", "the first missing one is '0'"),
    ("tokens", "007", "7", "token 1"),
    ("tokens", "3.0", "3", "token 1"),
    ("tokens", "3.0000001", "3", "token 1"),
    ("tokens", "1000001", "1000000", "token 1"),
    ("tokens", "0.33", "0.34", "token 1"),
    ("tokens", "inf", "-inf", "token 1"),
    ("tokens", "1e999", "1.5", "token 1"),
    ("tokens", "nan", "1.0", "token 1"),
    ("tokens", "1_0.0", "10.0", "token 1"),
    ("tokens", "YES", "yes", "token 1"),
    ("lines", "a b", "a  b", "line 1"),
    ("lines", "a", "a\nb", "line 2 is missing: expected 'b'"),
    ("lines", "a\nb\nc", "a\nb", "line 3 is one too many: got 'c'"),
    ("unordered_lines", "a\nb", "a\na", "a line is missing: expected 'a'"),
    ("unordered_lines", "a\nb\nb", "a\nb", "one line too many: got 'b'"),
]


@pytest.mark.parametrize(("checker", "actual", "expected"), SAME)
def test_accepts(checker: TextChecker, actual: str, expected: str) -> None:
    assert difference(actual, expected, checker) is None


@pytest.mark.parametrize(("checker", "actual", "expected", "words"), APART)
def test_says_where_they_differ(
    checker: TextChecker, actual: str, expected: str, words: str
) -> None:
    found = difference(actual, expected, checker)
    assert found is not None and words in found


def test_tolerance_is_relative_above_one_and_absolute_below() -> None:
    assert difference("1000.9", "1000.0", tolerance=1e-3) is None
    assert difference("1001.1", "1000.0", tolerance=1e-3) is not None
    assert difference("0.0009", "0.0", tolerance=1e-3) is None
    assert difference("0.0011", "0.0", tolerance=1e-3) is not None
    assert difference("0.5", "0.50", tolerance=0.0) is None


def test_a_lone_surrogate_equals_no_expected_text() -> None:
    assert difference("\udcff", "ÿ") is not None


def test_a_message_cuts_long_tokens() -> None:
    found = difference("x" * 10_000, "y" * 10_000)
    assert found is not None and len(found) < 300


tokens = st.lists(st.text("ab01.-e", min_size=1, max_size=6), max_size=8)


@given(tokens, st.lists(st.sampled_from([" ", "\n", "\t", "  \n"]), min_size=9, max_size=9))
def test_tokens_ignore_how_white_space_falls(words: list[str], gaps: list[str]) -> None:
    spread = "".join(gap + word for gap, word in zip(gaps, words, strict=False))
    assert difference(spread, " ".join(words)) is None


@given(tokens, tokens.filter(bool))
def test_tokens_never_stop_at_the_shorter_side(words: list[str], more: list[str]) -> None:
    shorter, longer = " ".join(words), " ".join(words + more)
    assert difference(shorter, longer) is not None
    assert difference(longer, shorter) is not None


@given(st.floats(-1e300, 1e300), st.floats(0, 1))
def test_tokens_accept_what_lies_within_tolerance(number: float, part: float) -> None:
    near = number + part * 0.9e-6 * max(1.0, abs(number))
    assert difference(repr(near), repr(number)) is None


@given(st.integers(), st.integers())
def test_integers_are_equal_only_to_themselves(a: int, b: int) -> None:
    assert (difference(str(a), str(b)) is None) == (a == b)
