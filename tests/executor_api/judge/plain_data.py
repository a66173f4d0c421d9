"""Hypothesis strategies for plain values."""

from typing import Any

from hypothesis import strategies as st

scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(4300, 5000).map(lambda digits: -(10**digits)),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(), max_size=8),
    st.text(st.characters(categories=["Cs"]), max_size=2),
    st.binary(max_size=8),
)
hashable = st.recursive(
    scalars,
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
plain = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(hashable, max_size=4),
        st.frozensets(hashable, max_size=4),
        st.dictionaries(hashable, inner, max_size=4),
    ),
    max_leaves=12,
)
