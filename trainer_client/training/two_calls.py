"""Two calls of TRL's ``_generate`` as one: their results, and what they logged of lengths."""

from collections.abc import Mapping
from typing import Any

__all__ = ["joined", "merge_lengths"]


def joined(first: Any, second: Any) -> tuple[Any, ...]:
    """Lists have one entry a row and follow one another; the rest is that of the first."""
    pairs = zip(first, second, strict=True)
    return tuple(a + b if isinstance(a, list) else a for a, b in pairs)


def merge_lengths(metrics: Mapping[str, list[float]], rows: tuple[int, int]) -> None:
    """Make of the last two entries of each ``completions/…`` metric what one call would have
    logged for the rows of both, of which each call had so many."""

    def merge(name: str, value: float) -> None:
        metrics[f"completions/{name}"][-2:] = [value]

    def last(name: str) -> list[float]:
        return metrics[f"completions/{name}"][-2:]

    ended = [n * (1 - clipped) for n, clipped in zip(rows, last("clipped_ratio"), strict=True)]
    some_ended = [i for i in (0, 1) if ended[i] > 0] or [0]  # without any, TRL logs 0
    merge("mean_terminated_length", _mean(last("mean_terminated_length"), ended))
    merge("min_terminated_length", min(last("min_terminated_length")[i] for i in some_ended))
    merge("max_terminated_length", max(last("max_terminated_length")))
    merge("mean_length", _mean(last("mean_length"), rows))
    merge("clipped_ratio", _mean(last("clipped_ratio"), rows))
    merge("min_length", min(last("min_length")))
    merge("max_length", max(last("max_length")))


def _mean(values: list[float], weights: list[float] | tuple[int, int]) -> float:
    total = sum(weights)
    return sum(v * w for v, w in zip(values, weights, strict=True)) / total if total else 0.0
