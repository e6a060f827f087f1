"""Parquet files: value for value what pyarrow reads, in any order, row groups decoded once where they fit."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.rows.parquet import ParquetRows

N = 95


def table(n: int = N, first: int = 0) -> Any:
    numbers = np.arange(first, first + n)
    flat = pa.array(np.repeat(numbers, 6).astype(np.float32))
    tensor = pa.fixed_shape_tensor(pa.float32(), (2, 3))
    storage = pa.FixedSizeListArray.from_arrays(flat, 6)
    return pa.table(
        {
            "n": numbers,
            "half": pa.array(numbers.astype(np.float16)),
            "yes": numbers % 2 == 0,
            "when": numbers.astype("M8[ms]"),
            "pair": pa.FixedSizeListArray.from_arrays(pa.array(np.repeat(numbers, 2)), 2),
            "grid": pa.ExtensionArray.from_storage(tensor, storage),
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    pq.write_table(table(), tmp_path / "a.parquet", row_group_size=10)
    return tmp_path / "a.parquet"


def columns(graph: fl.Graph) -> dict[str, Any]:
    with graph.iterate(seed=1) as batches:
        given = list(batches)
    return {key: np.concatenate([batch[key] for batch in given]) for key in given[0]}


@pytest.mark.parametrize("cache_bytes", [0, 200, 256 << 20])
@pytest.mark.parametrize("shuffled", [False, True])
def test_value_for_value(path: Path, shuffled: bool, cache_bytes: int) -> None:
    rows = fl.rows(ParquetRows(path, cache_bytes=cache_bytes))
    found = columns((rows >> fl.shuffle() if shuffled else rows) >> fl.batch(7))
    n = found["n"]
    assert (n.tolist() == list(range(N))) is not shuffled
    assert sorted(n.tolist()) == list(range(N))
    for key, wanted in {
        "half": n.astype(np.float16),
        "yes": n % 2 == 0,
        "when": n.astype("M8[ms]"),
        "pair": np.stack([n, n], 1),
        "grid": np.broadcast_to(n[:, None, None], (N, 2, 3)).astype(np.float32),
    }.items():
        np.testing.assert_array_equal(found[key], wanted, err_msg=key)
        assert found[key].dtype == wanted.dtype


def test_a_path_a_folder_and_several_files(path: Path) -> None:
    pq.write_table(table(20, first=N), path.parent / "b.parquet", row_group_size=9)
    assert columns(fl.rows(path) >> fl.batch(9))["n"].tolist() == list(range(N))
    for given in (path.parent, [path, path.parent / "b.parquet"]):
        found = columns(fl.rows(ParquetRows(given, {"x": "n"})) >> fl.batch(9))
        assert {key: value.tolist() for key, value in found.items()} == {"x": list(range(N + 20))}


def test_each_row_group_is_decoded_once_where_they_fit(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reads: list[int] = []
    read = pq.ParquetFile.read_row_group

    def counted(self: Any, number: int, **options: Any) -> Any:
        reads.append(number)
        return read(self, number, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    columns(fl.rows(ParquetRows(path, "n")) >> fl.shuffle() >> fl.batch(7))
    assert sorted(reads) == list(range(10))
    reads.clear()
    columns(fl.rows(ParquetRows(path, "n", cache_bytes=0)) >> fl.batch(10, workers=1))
    assert reads == list(range(10))  # in the order of need
    with caplog.at_level(logging.WARNING, "flowload"):
        graph = fl.rows(ParquetRows(path, "n", cache_bytes=0)) >> fl.shuffle() >> fl.batch(7)
        assert sum(len(batch["n"]) for batch in graph.iterate(epochs=8)) == 8 * N
    assert len([record for record in caplog.records if "again and again" in record.message]) == 1


def test_collate_gets_dicts(path: Path) -> None:
    pq.write_table(pa.table({"s": ["a", "bc", None], "v": [[1], [], [2, 3]]}), path.parent / "t.parquet")
    graph = fl.rows(path.parent / "t.parquet", collate=list) >> fl.batch(2)
    assert list(graph.iterate()) == [
        [{"s": "a", "v": [1]}, {"s": "bc", "v": []}],
        [{"s": None, "v": [2, 3]}],
    ]
    assert len(graph) == 2
    some = fl.rows(ParquetRows(path.parent / "t.parquet", {"w": "s"}), collate=list)
    assert (some >> fl.batch(1)).peek() == [{"w": "a"}]


@pytest.mark.parametrize(
    ("column", "word"),
    [
        (["a", "b"], "no numbers; found string"),
        ([[1], [2, 3]], "no numbers; found list<"),
        ([1, None], "1 of 2 values are null"),
        (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), "1 of 2 values are null"),
        (pa.array([[1, None], [3, 4]], pa.list_(pa.int64(), 2)), "1 of 4 values are null"),
    ],
)
def test_what_has_no_value_or_no_size(tmp_path: Path, column: Any, word: str) -> None:
    pq.write_table(pa.table({"c": column}), tmp_path / "c.parquet")
    with pytest.raises(DataError, match=f"c.parquet: c.*{word}"):
        (fl.rows(tmp_path / "c.parquet") >> fl.batch(2)).peek()


def test_files_that_do_not_go_together(path: Path) -> None:
    pq.write_table(pa.table({"n": [1.5]}), path.parent / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet: other columns; found n double; wanted n int64, half"):
        (fl.rows(ParquetRows(path.parent)) >> fl.batch(2)).peek()


def test_mistakes(path: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such column; found n, half"):
        (fl.rows(ParquetRows(path, ["m"])) >> fl.batch(2)).peek()
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"bad\.parquet: bad Parquet file"):
        (fl.rows(tmp_path / "bad.parquet") >> fl.batch(2)).peek()
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoDataError, match=r"no \.parquet file"):
        (fl.rows(ParquetRows(tmp_path / "empty")) >> fl.batch(2)).peek()
    with pytest.raises(GraphError, match="give its path"):
        fl.rows(pq.ParquetFile(path))
    with pytest.raises(GraphError, match="cache_bytes is -1"):
        ParquetRows(path, cache_bytes=-1)


def test_a_file_that_changes_is_told(path: Path) -> None:
    with (fl.rows(ParquetRows(path, "n", cache_bytes=0)) >> fl.batch(1)).iterate(epochs=50) as batches:
        next(batches)
        pq.write_table(table(n=50), path, row_group_size=10)
        with pytest.raises(DataError, match=r"a\.parquet"):
            list(batches)
