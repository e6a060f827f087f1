from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.records import may_drop
from flowload.errors import DataError, GraphError, NoDataError
from flowload.files.arrays import map_array
from flowload.files.guard import Guard
from flowload.formats.rows.npy import NpyRows
from tests.formats.rows.oracle import ROOT, arrays_of, check_records, opened_by_a_child

ARRAYS = arrays_of(50)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for key, array in ARRAYS.items():
        np.save(tmp_path / f"{key}.npy", array)
    return tmp_path


@pytest.mark.slow
def test_a_folder(folder: Path) -> None:
    records = NpyRows(folder)
    check_records(records, {key: ARRAYS[key] for key in sorted(ARRAYS)})
    assert opened_by_a_child(records)


def test_hidden_files_are_no_columns(folder: Path) -> None:
    (folder / "._x.npy").write_bytes(b"\0\5\x16\7" + bytes(159))  # as macOS leaves beside each file
    assert [key for key, _ in NpyRows(folder).files()] == sorted(ARRAYS)


def test_files(folder: Path) -> None:
    images, labels = folder / "images.npy", folder / "labels.npy"
    check_records(NpyRows([images, labels]), {key: ARRAYS[key] for key in ("images", "labels")})
    check_records(NpyRows(str(labels)), {"labels": ARRAYS["labels"]})
    check_records(NpyRows({"y": labels, "x": images}), {"y": ARRAYS["labels"], "x": ARRAYS["images"]})
    assert repr(NpyRows("a/labels.npy")) == "NpyRows(paths=(('labels', 'a/labels.npy'),), missing='fill')"


def test_real_traces() -> None:
    folder = ROOT.parent / "shared/data/neural/pynapple_suite2p"
    if not folder.is_dir():
        pytest.skip("the shared neural data are absent")
    paths = [folder / name for name in ("F.npy", "Fneu.npy", "spks.npy")]
    check_records(NpyRows(paths), {path.stem: np.load(path) for path in paths})


def test_truncated(folder: Path) -> None:
    path = folder / "labels.npy"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 1)
    with pytest.raises(
        DataError, match=f"labels.npy: wrong file size; found {size - 1} bytes; wanted {size}"
    ):
        NpyRows(folder).open()
    with path.open("r+b") as file:
        file.truncate(40)
    with pytest.raises(DataError, match=r"labels\.npy: bad \.npy header"):
        NpyRows(folder).open()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.zeros(49),
            r"x\.npy: columns of different length; found 49 rows; wanted 50 rows, as in .*big\.npy",
        ),
        (
            np.float32(1),
            r"x\.npy: array of another kind; found float32\[\]; wanted numbers, one row a sample",
        ),
        (np.array([{}] * 50), r"x\.npy: (bad|array)"),
        (np.zeros((50, 4), order="F"), r"x\.npy: array of another kind; found float64\[50, 4\] in columns"),
    ],
)
def test_arrays_that_do_not_fit(folder: Path, array: Any, message: str) -> None:
    np.save(folder / "x.npy", array)
    with pytest.raises(DataError, match=message):
        NpyRows(folder).open()


@pytest.mark.parametrize("missing", ["fill", "skip", "raise"])
def test_nothing_can_be_missing(folder: Path, missing: Any) -> None:
    assert not may_drop(NpyRows(folder, missing=missing))
    check_records(NpyRows(folder, missing=missing), {key: ARRAYS[key] for key in sorted(ARRAYS)})


def test_there_are_three_ways(folder: Path) -> None:
    with pytest.raises(GraphError, match="NpyRows: missing is 'zero'"):
        NpyRows(folder, missing="zero")  # type: ignore[arg-type]


def test_what_numpy_reads_otherwise_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shifted(path: Path, guard: Guard) -> Any:
        array = map_array(path, guard)
        return np.roll(array, 1, axis=0) if path.stem == "labels" else array

    monkeypatch.setattr("flowload.formats.rows.npy.map_array", shifted)
    with pytest.raises(DataError, match=r"labels\.npy: read otherwise by numpy; found row 0: other numbers"):
        NpyRows(folder).open()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("(" + "9" * 5000 + ",)", "bad .npy header"),
        ("(" + "9" * 4000 + ",)", "bad .npy header; found a length of 13288 bits"),
        ("(4611686018427387904,)", "wrong file size"),
        ("(" + "1, " * 70 + ")", "bad .npy header; found 70 axes"),
        ("(3, " + "1, " * 70 + ")", "bad .npy header; found 71 axes; wanted at most 64 axes"),
        ("(" * 250 + "1," + ")" * 250, "bad .npy header"),
        ("(-1,)", "bad .npy header"),
        ("(1.5,)", "bad .npy header"),
        ("(True,)", "wrong file size|bad .npy header"),
        ("[1]", "bad .npy header"),
        ("__import__('os')", "bad .npy header"),
    ],
)
def test_shapes_of_bad_people(shape: str, message: str, tmp_path: Path) -> None:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    head = b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text
    (tmp_path / "x.npy").write_bytes(head + bytes(24))
    with pytest.raises(DataError, match=rf"x\.npy: ({message})"):
        NpyRows(tmp_path / "x.npy").open()


@pytest.mark.parametrize("kind", ["|O", "|V0", "<f3", "<M8[17z]", "|S99999999999", "|b1" * 99, "f8)", "\0"])
def test_kinds_of_bad_people(kind: str, tmp_path: Path) -> None:
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': (3,), }}\n".encode()
    head = b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text
    (tmp_path / "x.npy").write_bytes(head + bytes(24))
    with pytest.raises(DataError, match=r"x\.npy: (bad|array|wrong)"):
        NpyRows(tmp_path / "x.npy").open()


def test_files_that_are_none(folder: Path, tmp_path: Path) -> None:
    (folder / "x.npy").write_bytes(b"images")
    with pytest.raises(DataError, match=r"x\.npy: no \.npy file; found 6 bytes"):
        NpyRows(folder).open()
    with pytest.raises(NoDataError, match=r"absent\.npy: no such file"):
        NpyRows(folder / "absent.npy").open()
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoDataError, match=r"empty: no \.npy file"):
        NpyRows(tmp_path / "empty").open()


def test_no_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((0, 3)))
    with (
        pytest.raises(NoDataError, match="no records; found 0 rows; wanted at least one"),
        (fl.rows(NpyRows(tmp_path)) >> fl.batch(2)).iterate() as run,
    ):
        list(run)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (None, "paths are None"),
        ([], "none are named"),
        (3, "paths are 3"),
        (["a/x.npy", "b/x.npy"], r"a name comes twice in \['x', 'x'\]"),
        ({1: "a.npy"}, r"\(1, 'a.npy'\) is no name"),
        ({"x": 1}, r"\('x', 1\) is no name"),
    ],
)
def test_bad_parameters(paths: Any, message: str) -> None:
    with pytest.raises(GraphError, match=f"NpyRows: paths:? ?{message.removeprefix('paths ')}"):
        NpyRows(paths)
