"""TileDB rows are what tiledb itself reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError, GraphError, MissingExtra
from flowload.formats.rows_tiledb import TileDbRows
from tests.formats.rows_oracle import check_records, opened_by_a_child, read

tiledb = pytest.importorskip("tiledb")

N = 50
RNG = np.random.default_rng(0)
WIDE = {
    "x": RNG.standard_normal((N, 3, 4)).astype(np.float32),
    "y": RNG.integers(-9, 9, (N, 3, 4)).astype("i2"),
}


def write(path: Path, arrays: dict[str, Any], *, first: int = 0, tile: int = 7, sparse: bool = False) -> Path:
    shape = next(iter(arrays.values())).shape
    starts = [first] + [0] * (len(shape) - 1)
    dims = [
        tiledb.Dim(f"d{k}", (a, a + size - 1), min(size, tile if k == 0 else size), dtype=np.int64)
        for k, (a, size) in enumerate(zip(starts, shape, strict=True))
    ]
    attributes = [tiledb.Attr(key, dtype=array.dtype) for key, array in arrays.items()]
    tiledb.Array.create(str(path), tiledb.ArraySchema(tiledb.Domain(*dims), attributes, sparse=sparse))
    if not sparse:
        with tiledb.open(str(path), "w") as array:
            array[:] = arrays if len(arrays) > 1 or "" not in arrays else arrays[""]
    return path


@pytest.mark.parametrize(("first", "tile"), [(0, 7), (5, 7), (0, N), (-3, 1)])
def test_every_attribute(first: int, tile: int, tmp_path: Path) -> None:
    records = TileDbRows(write(tmp_path / "a", WIDE, first=first, tile=tile))
    check_records(records, WIDE)
    assert opened_by_a_child(records)


def test_attributes_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a", WIDE)
    check_records(TileDbRows(path, "y"), {"y": WIDE["y"]})
    check_records(TileDbRows(path, {"target": "y", "input": "x"}), {"target": WIDE["y"], "input": WIDE["x"]})


def test_one_number_a_row_and_no_name(tmp_path: Path) -> None:
    numbers = np.arange(N, dtype=np.float64)
    check_records(TileDbRows(write(tmp_path / "a", {"n": numbers})), {"n": numbers})
    tiledb.from_numpy(str(tmp_path / "b"), WIDE["x"]).close()
    check_records(TileDbRows(tmp_path / "b"), {"x": WIDE["x"]})


def test_bad_arrays(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent: no TileDB array; found .*does not exist"):
        TileDbRows(tmp_path / "absent").open()
    with pytest.raises(DataError, match="array of another kind; found a sparse array; wanted a dense one"):
        TileDbRows(write(tmp_path / "sparse", WIDE, sparse=True)).open()
    path = write(tmp_path / "a", WIDE)
    with pytest.raises(DataError, match="no such attribute; found x, y; wanted z"):
        TileDbRows(path, "z").open()
    for data in path.rglob("a0.tdb"):
        data.write_bytes(data.read_bytes()[:30])
    table = TileDbRows(path, "x").open()
    with pytest.raises(DataError, match=r"a: x, rows 3 to 3: unreadable; found ."):
        read(table, [3])
    table.close()


def test_bad_parameters() -> None:
    with pytest.raises(GraphError, match="TileDbRows: path is 3; wanted a path"):
        TileDbRows(3)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("flowload.formats.columns.import_module", absent)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'flowload[tiledb]'")):
        TileDbRows("a").open()
