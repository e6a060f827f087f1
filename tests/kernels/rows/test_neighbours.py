from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.rows.neighbours import check_csr, with_neighbours
from tests.kernels.rows import naive_neighbours as naive


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    """Neighbours of each row."""
    n = draw(st.integers(1, 12))
    return draw(st.lists(st.lists(st.integers(0, n - 1), max_size=6), min_size=n, max_size=n))


@given(graph=graphs(), data=st.data())
def test_neighbours_are_those_of_the_twin(graph: list[list[int]], data: st.DataObject) -> None:
    n = len(graph)
    rows = data.draw(st.lists(st.integers(0, n - 1), max_size=n))
    indptr = np.concatenate([[0], np.cumsum([len(own) for own in graph])]).astype(np.int64)
    indices = np.array([k for own in graph for k in own], np.int32)
    out, marks = np.full(n, -1), np.zeros(n, np.uint8)
    count = with_neighbours(out, marks, np.array(rows, np.int64), indptr, indices)
    assert out[:count].tolist() == naive.with_neighbours(rows, indptr.tolist(), indices.tolist())
    assert not marks.any()


@given(
    indptr=st.lists(st.integers(-1, 9), min_size=2, max_size=6),
    indices=st.lists(st.integers(-1, 5), max_size=8),
)
def test_wrong_graphs_are_told_as_the_twin_tells_them(indptr: list[int], indices: list[int]) -> None:
    indptr[0] = 0 if indptr[0] >= 0 else indptr[0]
    found = check_csr(np.array(indptr, np.int64), np.array(indices, np.int32))
    assert found == naive.check_csr(indptr, indices)


@given(graph=graphs())
def test_right_graphs_are_right(graph: list[list[int]]) -> None:
    indptr = np.concatenate([[0], np.cumsum([len(own) for own in graph])]).astype(np.int64)
    assert check_csr(indptr, np.array([k for own in graph for k in own], np.int32)) == -1
