from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.abc.records import LayoutRecords, LayoutTable
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.games.boards import Boards


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("boards")


@pytest.mark.slow
@given(st.integers(1, 5), st.integers(1, 40), st.sampled_from(["most", "least"]), st.integers(0, 2**32))
def test_squares_come_in_the_order_that_is_asked_for(
    folder: Path, count: int, rows: int, first: Literal["most", "least"], seed: int
) -> None:
    words = np.random.default_rng(seed).integers(0, 2**64, (rows, count), np.uint64)
    np.save(folder / "b.npy", words)
    np.save(folder / "y.npy", np.arange(3 * rows, dtype=np.int16).reshape(rows, 3))
    graph = fl.rows(Boards(folder / "b.npy", first, {"y": folder / "y.npy"})) >> fl.shuffle() >> fl.batch(7)
    seen = 0
    with graph.iterate(seed=seed) as run:
        for batch in run:
            order = batch["y"][:, 0] // 3
            squares = range(64) if first == "least" else range(63, -1, -1)
            wanted = [
                [[int(word) >> square & 1 for square in squares] for word in words[row]] for row in order
            ]
            assert batch["boards"].tolist() == wanted
            assert batch["y"].dtype == np.int16
            seen += len(order)
    assert seen == rows


def test_it_keeps_the_agreements(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", np.zeros((3, 2), np.uint64))
    records = Boards(tmp_path / "b.npy")
    assert isinstance(records, LayoutRecords)
    assert isinstance(records.open(), LayoutTable)
    assert pickle.loads(pickle.dumps(records)) == records
    table = records.open()
    assert table.describe(2) == f"{tmp_path}/b.npy, row 2"
    table.close()
    assert len(table) == 0


@pytest.mark.parametrize(
    ("boards", "beside", "said"),
    [
        (np.zeros((3, 2), np.int64), np.zeros(3), r"b\.npy: .*found int64\[3, 2\]; wanted uint64\[N, K\]"),
        (np.zeros(3, np.uint64), np.zeros(3), r"found uint64\[3\]"),
        (np.zeros((3, 0), np.uint64), np.zeros(3), r"found uint64\[3, 0\]"),
        (np.zeros((3, 2), np.uint64), np.zeros(4), r"y\.npy: other rows; found float64\[4\]; wanted 3 rows"),
        (np.zeros((3, 2), np.uint64), np.array(4), r"y\.npy: other rows; found int64\[\]"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, boards: Any, beside: Any, said: str) -> None:
    np.save(tmp_path / "b.npy", boards)
    np.save(tmp_path / "y.npy", beside)
    with pytest.raises(DataError, match=said):
        Boards(tmp_path / "b.npy", beside={"y": tmp_path / "y.npy"}).open()


def test_no_boards_are_said(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", np.zeros((0, 2), np.uint64))
    with pytest.raises(NoDataError, match="no boards"):
        Boards(tmp_path / "b.npy").open()


def test_mistakes_are_said() -> None:
    with pytest.raises(GraphError, match="first is 'last'; wanted 'most' or 'least'"):
        Boards("b.npy", "last")  # type: ignore[arg-type] # a mistake
    with pytest.raises(GraphError, match="beside names an array 'boards'"):
        Boards("b.npy", beside={"boards": "x.npy"})
