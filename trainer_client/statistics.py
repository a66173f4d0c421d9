"""Means over problems with bootstrap intervals; differences are paired by problem."""

from collections.abc import Hashable, Sequence
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

__all__ = ["Interval", "bootstrap", "exact_sign_test", "paired_difference", "pass_at_k"]

Numbers = NDArray[Any]
_BLOCK = 1_000
"""Resamples drawn at one time: two thousand problems take 16 MB."""


class Interval(BaseModel):
    """A mean and its 95 % percentile-bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap(
    values: Sequence[float],
    resamples: int = 10_000,
    seed: int = 0,
    clusters: Sequence[Hashable] | None = None,
) -> Interval:
    """Resample whole problems: ``values`` has one number a problem, such as its pass rate.

    ``clusters`` names what each value belongs to where several are not independent (questions
    about one program): then whole clusters are resampled.
    """
    data = np.asarray(values, dtype=float)
    if data.ndim != 1 or data.size == 0:
        raise ValueError(f"values: shape {data.shape}; give at least one number, one a problem")
    sums, counts = _clustered(data, clusters)
    random, even = np.random.default_rng(seed), np.full(sums.size, 1 / sums.size)
    means = []
    for start in range(0, resamples, _BLOCK):
        draws = random.multinomial(sums.size, even, size=min(_BLOCK, resamples - start))
        means.append(draws @ sums / (draws @ counts))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return Interval(mean=float(data.mean()), low=float(low), high=float(high))


def _clustered(data: Numbers, clusters: Sequence[Hashable] | None) -> tuple[Numbers, Numbers]:
    """Sum and number of the values of each cluster."""
    if clusters is None:
        return data, np.ones_like(data)
    if len(clusters) != data.size:
        raise ValueError(f"{data.size} values but {len(clusters)} clusters; name one for each")
    places = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    owners = [places[name] for name in clusters]
    return np.bincount(owners, weights=data), np.bincount(owners).astype(float)


def paired_difference(
    before: Sequence[float],
    after: Sequence[float],
    resamples: int = 10_000,
    seed: int = 0,
    clusters: Sequence[Hashable] | None = None,
) -> Interval:
    """``after - before`` on the same problems, in the same order."""
    if len(before) != len(after):
        raise ValueError(
            f"before has {len(before)} problems, after {len(after)}; evaluate both on the same set"
        )
    return bootstrap(np.subtract(after, before).tolist(), resamples, seed, clusters)


def exact_sign_test(better: int, worse: int) -> float:
    """Two-sided p-value of so many changes for the better and for the worse, if both were equally
    likely: ``2 · P(X <= min(better, worse))`` with ``X`` binomial(better + worse, 1/2), at most 1.

    Of problems that pass or fail, this is McNemar's test in its exact form (McNemar 1947).
    """
    if better < 0 or worse < 0:
        raise ValueError(f"better {better}, worse {worse}; give counts")
    changes = better + worse
    tail = sum(comb(changes, i) for i in range(min(better, worse) + 1))
    return float(min(1.0, 2 * tail / 2**changes))


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased ``1 - C(n-c, k) / C(n, k)`` (Chen et al. 2021, arXiv 2107.03374, eq. 1)."""
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ValueError(
            f"samples {samples}, correct {correct}, k {k}; needs 0 <= correct <= samples "
            "and 1 <= k <= samples"
        )
    terms = np.arange(samples - correct + 1, samples + 1)
    return 1.0 if samples - correct < k else float(1 - np.prod(1 - k / terms))
