"""Data that an HDF5 file does not have are told: chunks never written, lost sources, links, raw data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.hdf5.chunks import GoneChunks, SoughtChunks, find_gaps
from flowload.formats.rows.hdf5 import Hdf5Rows
from tests.formats.hdf5.runs import ARRAY, N, h5py, ran, warnings

DOUBLE = np.stack([ARRAY, ARRAY], axis=1)


#: Ways to store rows 4 to 12 of 20, in chunks of 4, and nothing else.
PARTLY: dict[str, dict[str, Any]] = {
    "plain": {},
    "gzip": {"compression": "gzip"},
    "lzf of a growing one": {"compression": "lzf", "maxshape": (None, 2)},
    "checked": {"fletcher32": True},
    "cut": {"chunks": (4, 1)},
    "cut, the second axis grows": {"chunks": (4, 1), "maxshape": (N, None)},
    "fill": {"fillvalue": -7.0},
    "never filled": {"fillvalue": -7.0, "fill_time": "never", "compression": "gzip"},
    "never filled, plain": {"fillvalue": -7.0, "fill_time": "never"},
    "never filled, by h5py": {"fillvalue": -7.0, "fill_time": "never", "fletcher32": True},
    "big": {"dtype": ">f8", "fillvalue": -7.0},
}


@pytest.mark.parametrize("how", PARTLY)
@pytest.mark.parametrize("options", [{}, {"libver": "latest"}, {"userblock_size": 512}])
def test_chunks_that_were_never_written(
    how: str, options: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", **options) as file:
        made = file.create_dataset("x", **{"shape": (N, 2), "dtype": "f8", "chunks": (4, 2), **PARTLY[how]})
        made[4:12] = DOUBLE[4:12]
        chunks = len(made[:]) // 4 * 2 // made.chunks[1]
    with h5py.File(path) as file:
        wanted = file["x"][:]
    found, books = ran(Hdf5Rows(path))
    np.testing.assert_array_equal(found, wanted)
    assert (books.out, books.missing, dict(books.dropped)) == (20, 12, {})
    there = chunks * 2 // 5
    assert warnings(caplog) == [
        f"batch: the fill value stands for data that do not exist: {path}: x: missing; "
        f"found {there} of {chunks} chunks; wanted all"
    ]
    found, books = ran(Hdf5Rows(path, missing="skip"))
    np.testing.assert_array_equal(found, DOUBLE[4:12])
    assert (books.out, books.missing, dict(books.dropped)) == (8, 0, {"missing": 12})
    with pytest.raises(DataError, match=rf"a\.h5: x, row 0: missing; found {there} of {chunks} chunks"):
        ran(Hdf5Rows(path, missing="raise"))
    found, books = ran(Hdf5Rows(path, missing="raise"), on_error="skip")
    np.testing.assert_array_equal(found, DOUBLE[4:12])
    assert dict(books.dropped) == {"missing": 12}


def test_rows_of_chunks_that_are_not_there_are_dropped_where_rows_begin(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (N, 2), "f8", chunks=(4, 2))[4:12] = DOUBLE[4:12]
        file["y"] = ARRAY
    graph = fl.rows(Hdf5Rows(tmp_path / "a.h5", missing="skip")) >> fl.batch(3)
    with graph.iterate() as run:
        assert [batch["y"].tolist() for batch in run] == [[5, 6, 7], [8, 9, 10], [11, 12]]
    assert {name: dict(stage.dropped) for name, stage in run.stats().stages.items()} == {
        "rows": {"missing": 12},
        "batch": {},
    }


def test_half_a_row_of_chunks_is_missing(tmp_path: Path) -> None:
    for maxshape, kind in (((N, 2), GoneChunks), ((N, None), SoughtChunks)):
        with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
            made = file.create_dataset("x", (N, 2), "f8", chunks=(4, 1), maxshape=maxshape)
            made[:12] = DOUBLE[:12]
            made[12:, 0] = ARRAY[12:]
        with h5py.File(tmp_path / "a.h5") as file:
            gaps = find_gaps("x", file["x"])
            assert type(gaps) is kind
        assert ran(Hdf5Rows(tmp_path / "a.h5"))[1].missing == 8
        assert ran(Hdf5Rows(tmp_path / "a.h5", missing="skip"))[1].dropped == {"missing": 8}


def test_a_set_that_grew_and_one_that_shrank(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("x", data=DOUBLE, chunks=(3, 2), maxshape=(None, 2))
        made.resize(40, axis=0)
    found, books = ran(Hdf5Rows(tmp_path / "a.h5"))
    np.testing.assert_array_equal(found[:N], DOUBLE)
    assert not found[N:].any()
    assert books.missing == 19  # row 20 is of the last chunk that there is
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["x"].resize(7, axis=0)
    found, books = ran(Hdf5Rows(tmp_path / "a.h5"))
    np.testing.assert_array_equal(found, DOUBLE[:7])
    assert books.missing == 0


@pytest.mark.parametrize("how", [{}, {"chunks": (4, 2)}, {"chunks": (4, 2), "compression": "gzip"}])
@pytest.mark.parametrize("block", [0, 512, 4096])
@pytest.mark.parametrize("missing", ["fill", "skip", "raise"])
def test_a_set_of_which_nothing_exists(how: dict[str, Any], block: int, missing: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=block) as file:
        file.create_dataset("x", (N, 2), "u1", fillvalue=7, **how)
    with pytest.raises(NoDataError, match=r"a\.h5: x: never written; found no data at all"):
        Hdf5Rows(tmp_path / "a.h5", missing=missing).open()


def test_what_was_allocated_is_there(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plist.set_fill_value(np.array(7.0))
        space = h5py.h5s.create_simple((N, 2))
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_DOUBLE, space, plist)
    found, books = ran(Hdf5Rows(tmp_path / "a.h5"))
    assert (found == 7).all()
    assert books.missing == 0


def test_there_are_three_ways() -> None:
    with pytest.raises(GraphError, match="Hdf5Rows: missing is 'zero'"):
        Hdf5Rows("a.h5", missing="zero")  # type: ignore[arg-type]
