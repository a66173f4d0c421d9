"""Two calls to generate log what one call for all rows would have logged."""

import pytest

from trainer_client.training.two_calls import joined, merge_lengths

LIMIT = 8


def logged(lengths: list[int]) -> dict[str, list[float]]:
    """As TRL computes them; a completion of ``LIMIT`` tokens was clipped."""
    ended = [n for n in lengths if n < LIMIT] or [0]
    values = {
        "mean_length": sum(lengths) / len(lengths),
        "min_length": min(lengths),
        "max_length": max(lengths),
        "clipped_ratio": sum(n == LIMIT for n in lengths) / len(lengths),
        "mean_terminated_length": sum(ended) / len(ended),
        "min_terminated_length": min(ended),
        "max_terminated_length": max(ended),
    }
    return {f"completions/{name}": [float(value)] for name, value in values.items()}


@pytest.mark.parametrize(
    ("first", "second"),
    [([3, 4, 8], [5, 7]), ([8, 8], [5, 7, 8]), ([2, 3], [8]), ([8], [8, 8])],
)
def test_lengths_are_those_of_all_rows(first: list[int], second: list[int]) -> None:
    a, b = logged(first), logged(second)
    metrics = {name: [99.0, *a[name], *b[name]] for name in a}
    merge_lengths(metrics, (len(first), len(second)))
    for name, (value,) in logged(first + second).items():
        assert metrics[name] == [99.0, pytest.approx(value)], name


def test_rows_follow_one_another() -> None:
    first, second = ([1], None, {}, ["a"]), ([2, 3], None, {}, ["b", "c"])
    assert joined(first, second) == ([1, 2, 3], None, {}, ["a", "b", "c"])
