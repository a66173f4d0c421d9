"""Means over problems with bootstrap intervals; differences are paired by problem."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

__all__ = ["Interval", "bootstrap", "paired_difference", "pass_at_k"]


class Interval(BaseModel):
    """A mean and its 95 % percentile-bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def bootstrap(values: Sequence[float], resamples: int = 10_000, seed: int = 0) -> Interval:
    """Resample whole problems: ``values`` has one number a problem, such as its pass rate."""
    data = np.asarray(values, dtype=float)
    if data.ndim != 1 or data.size == 0:
        raise ValueError(f"values: shape {data.shape}; give at least one number, one a problem")
    draws = np.random.default_rng(seed).multinomial(
        data.size, np.full(data.size, 1 / data.size), size=resamples
    )
    low, high = np.quantile(draws @ data / data.size, [0.025, 0.975])
    return Interval(mean=float(data.mean()), low=float(low), high=float(high))


def paired_difference(
    before: Sequence[float], after: Sequence[float], resamples: int = 10_000, seed: int = 0
) -> Interval:
    """``after - before`` on the same problems, in the same order."""
    if len(before) != len(after):
        raise ValueError(
            f"before has {len(before)} problems, after {len(after)}; evaluate both on the same set"
        )
    return bootstrap(np.subtract(after, before).tolist(), resamples, seed)


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased ``1 - C(n-c, k) / C(n, k)`` (Chen et al. 2021, arXiv 2107.03374, eq. 1)."""
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ValueError(
            f"samples {samples}, correct {correct}, k {k}; needs 0 <= correct <= samples "
            "and 1 <= k <= samples"
        )
    terms = np.arange(samples - correct + 1, samples + 1)
    return 1.0 if samples - correct < k else float(1 - np.prod(1 - k / terms))
