"""Items chosen to have the same hash make a set or dict quadratic in time."""

from collections.abc import Hashable, Sequence

from executor_api.guest.codec import MOST_COMPARISONS, comparisons

__all__ = ["too_many_collisions"]

_FEW = 1000


def too_many_collisions(items: Sequence[Hashable]) -> bool:
    """Whether a table of ``items`` would take long: linear in time itself."""
    if len(items) <= _FEW:
        return False
    most = MOST_COMPARISONS * len(items)
    if comparisons(map(hash, items)) <= most:
        return False
    different = dict.fromkeys(zip(map(hash, items), map(repr, items), strict=True))
    return comparisons(number for number, _ in different) > most
