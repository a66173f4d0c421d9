"""Items chosen to have the same hash make a set or dict quadratic in time."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

__all__ = ["too_many_collisions"]

_FEW = 1000
_MOST_COMPARISONS = 64
"""Of an item, on average. A thousand powers of two have 61 hashes, and so 17."""


def too_many_collisions(items: Sequence[Hashable]) -> bool:
    """Whether a table of ``items`` would take long: linear in time itself."""
    if len(items) <= _FEW:
        return False
    most = _MOST_COMPARISONS * len(items)
    if _comparisons(map(hash, items)) <= most:
        return False
    different = dict.fromkeys(zip(map(hash, items), map(repr, items), strict=True))
    return _comparisons(number for number, _ in different) > most


def _comparisons(hashes: Iterable[int]) -> int:
    return sum(count * count for count in Counter(hashes).values())
