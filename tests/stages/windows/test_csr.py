from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError, NoDataError
from flowload.stages.windows.csr import CSR


@pytest.mark.parametrize(
    ("indptr", "indices", "wanted"),
    [
        ([0, 1, 3], [1, 0, 2], r"row 1: wrong neighbours; found indices\[1:3\] = \[0, 2\]"),
        ([0, 2, 1, 3], [1, 0, 2], r"row 1: wrong neighbours; found indices\[2:1\]"),
        ([0, 1], [-1], "bad indices"),
        ([0, 1, 2], [0, 0, 0], "indptr does not fit; found 0 and 2; wanted 0 and 3"),
        ([1, 1], [0], "indptr does not fit; found 1 and 1"),
        ([0], np.zeros(0, int), "no rows"),
        ([[0, 1]], [0], "bad indptr"),
        ([0.0, 1.0], [0], "bad indptr"),
        ([0, 1], np.array([2**40]), "bad indices"),
    ],
)
def test_what_is_no_graph_is_told(indptr: Any, indices: Any, wanted: str) -> None:
    with pytest.raises(DataError, match=wanted):
        CSR(indptr, indices)


def test_graphs_come_in_many_ways(tmp_path: Path) -> None:
    indptr, indices = np.array([0, 2, 2, 3]), np.array([1, 2, 0])
    np.save(tmp_path / "indptr.npy", indptr)
    np.save(tmp_path / "indices.npy", indices)
    own = CSR(indptr, indices)
    for graph in (
        own,
        tmp_path,
        str(tmp_path),
        (indptr, indices),
        SimpleNamespace(indptr=indptr, indices=indices),
    ):
        found = CSR.of(graph)
        assert len(found) == 3
        assert found.closure(np.array([0])).tolist() == [0, 1, 2]
        assert found.closure(np.array([1])).tolist() == [1]
        assert not found.indices.flags.writeable
    assert repr(own) == "CSR(3 rows, 3 neighbours)"


@pytest.mark.parametrize("form", ["csc", "bsr"])
def test_columns_and_blocks_are_no_rows(form: str) -> None:
    pointers = {"indptr": np.array([0, 2, 2, 3]), "indices": np.array([1, 2, 0])}
    with pytest.raises(DataError, match=rf"found a matrix in {form.upper()}; wanted one in CSR"):
        CSR.of(SimpleNamespace(**pointers, format=form, shape=(3, 3)))
    assert len(CSR.of(SimpleNamespace(**pointers, format="csr", shape=(3, 3)))) == 3
    with pytest.raises(DataError, match=r"a matrix of shape \[3, 4\]; wanted a row and a column for each"):
        CSR.of(SimpleNamespace(**pointers, format="csr", shape=(3, 4)))


def test_what_is_no_folder_of_a_graph_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"indptr\.npy: no graph"):
        CSR.of(tmp_path)
    (tmp_path / "indptr.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"indptr\.npy: no \.npy file"):
        CSR.of(tmp_path)
    with pytest.raises(NoDataError, match=r"indptr\.npy: no graph; found a file; wanted a folder"):
        CSR.of(tmp_path / "indptr.npy")
    with pytest.raises(DataError, match="no graph; found 7"):
        CSR.of(7)
    (tmp_path / "indptr.npy").unlink()
    os.mkfifo(tmp_path / "indptr.npy")
    with pytest.raises(DataError, match=r"indptr\.npy: not a file; found a pipe"):
        CSR.of(tmp_path)


def test_a_folder_whose_graph_is_wrong_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "indptr.npy", np.array([0, 1, 3]))
    np.save(tmp_path / "indices.npy", np.array([1, 0, 2]))
    with pytest.raises(DataError, match=r": CSR: row 1: wrong neighbours; found") as caught:
        CSR.of(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))


def test_the_fly_visual_system(shared_neural: Path) -> None:
    graph = CSR.of(shared_neural / "flyvis_connectome/extent8")
    assert repr(graph) == "CSR(13,741 rows, 434,112 neighbours)"
    chosen = np.array([5, 13_740, 700])
    wanted = np.unique(
        np.concatenate([chosen, *(graph.indices[graph.indptr[k] : graph.indptr[k + 1]] for k in chosen)])
    )
    np.testing.assert_array_equal(graph.closure(chosen), wanted)
