"""Evaluation mathematics against numbers worked out by hand."""

import math
from itertools import product

import numpy as np
import pytest

from trainer_client.statistics import (
    bootstrap,
    exact_sign_test,
    paired_difference,
    pass_at_k,
)


def test_bootstrap_of_constant_values_has_no_width() -> None:
    interval = bootstrap([0.5] * 40)
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_bootstrap_matches_the_normal_interval_of_a_proportion() -> None:
    interval = bootstrap([1.0] * 200 + [0.0] * 200)
    half = 1.96 * math.sqrt(0.25 / 400)  # .049
    assert interval.mean == 0.5
    assert interval.low == pytest.approx(0.5 - half, abs=0.004)
    assert interval.high == pytest.approx(0.5 + half, abs=0.004)


def test_bootstrap_of_two_values_is_the_three_possible_means() -> None:
    interval = bootstrap([0.0, 1.0])
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_pairing_removes_the_spread_between_problems() -> None:
    before = [i / 100 for i in range(100)]
    after = [value + 0.125 for value in before]
    gain = paired_difference(before, after)
    assert gain.mean == pytest.approx(0.125)
    assert gain.high - gain.low == pytest.approx(0, abs=1e-12)
    assert gain.low > 0


def test_a_swap_of_two_problems_is_no_difference() -> None:
    none = paired_difference([0.0, 1.0] * 50, [1.0, 0.0] * 50)
    assert none.low < 0 < none.high


def test_pairing_needs_the_same_problems() -> None:
    with pytest.raises(ValueError, match="before has 2 problems, after 3"):
        paired_difference([0, 1], [0, 1, 1])


def test_no_problems_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one number"):
        bootstrap([])


@pytest.mark.parametrize(
    ("samples", "correct", "k", "expected"),
    [(4, 1, 1, 0.25), (4, 2, 2, 5 / 6), (5, 0, 3, 0.0), (5, 3, 3, 1.0), (10, 3, 5, 11 / 12)],
)
def test_pass_at_k(samples: int, correct: int, k: int, expected: float) -> None:
    assert pass_at_k(samples, correct, k) == pytest.approx(expected)


@pytest.mark.parametrize(("samples", "correct", "k"), [(4, 5, 1), (4, 1, 0), (4, 1, 5), (4, -1, 1)])
def test_pass_at_k_refuses_what_cannot_be(samples: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError, match="needs 0 <= correct"):
        pass_at_k(samples, correct, k)


@pytest.mark.parametrize(
    ("better", "worse", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (3, 3, 1.0),
        (6, 0, 2 / 64),
        (9, 2, 2 * (1 + 11 + 55) / 2**11),
        (2, 9, 2 * (1 + 11 + 55) / 2**11),
        # 1,000 heads in 2,200 tosses: 2.6·10⁻⁵ by the normal approximation with correction
        (1000, 1200, 2.2e-5),
    ],
)
def test_the_exact_sign_test(better: int, worse: int, p: float) -> None:
    assert exact_sign_test(better, worse) == pytest.approx(p, rel=0.05)


def test_the_sign_test_is_the_sum_over_all_outcomes_as_unlikely() -> None:
    for better, worse in ((1, 4), (0, 7), (5, 8)):
        tosses = list(product((0, 1), repeat=better + worse))
        extreme = [t for t in tosses if abs(sum(t) - len(t) / 2) >= abs(better - len(t) / 2)]
        assert exact_sign_test(better, worse) == pytest.approx(len(extreme) / len(tosses))


def test_blocks_of_resamples_are_one_stream() -> None:
    values = [0.0, 1.0, 1.0, 0.5]
    draws = np.random.default_rng(7).multinomial(4, [0.25] * 4, size=2500) @ values / 4
    interval = bootstrap(values, resamples=2500, seed=7)
    assert (interval.low, interval.high) == tuple(np.quantile(draws, [0.025, 0.975]))


def test_clusters_are_resampled_whole() -> None:
    values = [1.0] * 10 + [0.0] * 10
    together = bootstrap(values, clusters=["a"] * 10 + ["b"] * 10)
    assert (together.mean, together.low, together.high) == (0.5, 0.0, 1.0)
    assert bootstrap(values, clusters=range(20)) == bootstrap(values)
    with pytest.raises(ValueError, match="20 values but 3 clusters"):
        bootstrap(values, clusters="abc")
