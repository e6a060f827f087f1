"""Random drawings."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.graph.drawings import Program

__all__ = ["programs"]

steps = st.tuples(
    st.sampled_from(["map", "map", "split", "merge", "source"]), st.integers(0, 9), st.integers(0, 9)
)
programs = st.lists(steps, max_size=14).map(tuple).map(Program)
