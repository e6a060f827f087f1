from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flowload.errors import DataError, NoDataError
from flowload.formats.rows.hdf5 import Hdf5Rows
from tests.formats.hdf5.runs import ARRAY, N, h5py, ran, warnings


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A virtual set of two sources of 10 rows."""
    layout = h5py.VirtualLayout((N,), "f8")
    for k in (0, 1):
        with h5py.File(tmp_path / f"s{k}.h5", "w") as file:
            file["x"] = ARRAY[10 * k : 10 * k + 10]
        layout[10 * k : 10 * k + 10] = h5py.VirtualSource(f"s{k}.h5", "x", (10,))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("x", layout, fillvalue=-1)
    return tmp_path


def test_a_virtual_set_whose_sources_are_there(parts: Path, caplog: pytest.LogCaptureFixture) -> None:
    found, books = ran(Hdf5Rows(parts / "v.h5"))
    np.testing.assert_array_equal(found, ARRAY)
    assert books.missing == 0
    assert not warnings(caplog)


def replaced(path: Path, array: NDArray[Any] | None, **how: Any) -> None:
    with h5py.File(path, "w") as file:
        if array is not None:
            file.create_dataset("x", data=array, **how)


def sparse(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (10,), "f8", chunks=(2,), fillvalue=-1)[4:] = ARRAY[14:]


def nested(path: Path) -> None:
    layout = h5py.VirtualLayout((10,), "f8")
    layout[4:] = h5py.VirtualSource("s0.h5", "x", (10,))[:6]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout, fillvalue=-1)


def unwritten(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (10,), "f8", fillvalue=-1)


LOST: dict[str, tuple[Any, int, str]] = {
    "no file": (lambda path: path.unlink(), 10, r"s1.h5 (no such file)"),
    "no set": (lambda path: replaced(path, None), 10, "s1.h5 (no dataset x)"),
    "sparse": (sparse, 4, "s1.h5 (x has 3 of 5 chunks)"),
    "virtual itself": (nested, 4, "s1.h5 (x has a mapping with gaps)"),
    "never written": (unwritten, 10, "s1.h5 (x has 0 of 1 chunks)"),
}


@pytest.mark.parametrize("what", LOST)
def test_a_source_that_is_lost(what: str, parts: Path, caplog: pytest.LogCaptureFixture) -> None:
    damage, missing, said = LOST[what]
    damage(parts / "s1.h5")
    found, books = ran(Hdf5Rows(parts / "v.h5"))
    np.testing.assert_array_equal(found[:10], ARRAY[:10])
    assert (found[10 : 10 + missing] == -1).all()
    assert books.missing == missing
    told = f"{parts / 'v.h5'}: x: missing; found 1 of 2 sources lost: {said}; wanted all sources"
    assert [told in text for text in warnings(caplog)] == [True]
    found, books = ran(Hdf5Rows(parts / "v.h5", missing="skip"))
    assert len(found) == N - missing
    assert dict(books.dropped) == {"missing": missing}
    with pytest.raises(DataError, match=r"v\.h5: x, row 10: missing; found 1 of 2 sources lost"):
        ran(Hdf5Rows(parts / "v.h5", missing="raise"))
    assert {path.name for path in parts.iterdir()} <= {"v.h5", "s0.h5", "s1.h5"}  # twins are in memory


def test_a_virtual_set_of_which_every_source_is_lost(parts: Path) -> None:
    for k in (0, 1):
        (parts / f"s{k}.h5").unlink()
    with pytest.raises(NoDataError, match=r"v\.h5: x: no source; found 2 of 2 sources lost: s0.h5"):
        Hdf5Rows(parts / "v.h5").open()


def test_a_mapping_with_gaps_from_the_same_file(tmp_path: Path) -> None:
    for kind in ("f8", ">i2", "?", "S3", "<i4,>f8"):
        with h5py.File(tmp_path / "v.h5", "w") as file:
            file.create_dataset("base", (N,), kind)[...] = np.zeros(N, kind)
            layout = h5py.VirtualLayout((N,), kind)
            layout[2:8] = h5py.VirtualSource(".", "base", (N,))[:6]
            layout[12::2] = h5py.VirtualSource(".", "base", (N,))[:4]
            file.create_virtual_dataset("x", layout)
        found, books = ran(Hdf5Rows(tmp_path / "v.h5", {"x": "x"}))
        assert (len(found), books.missing) == (N, N - 10)


def test_sources_with_counted_names(tmp_path: Path) -> None:
    for k in (0, 1):
        with h5py.File(tmp_path / f"b{k}.h5", "w") as file:
            file["x"] = ARRAY[2 * k : 2 * k + 2]
    with h5py.File(tmp_path / "v.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        space = h5py.h5s.create_simple((0,), (h5py.h5s.UNLIMITED,))
        space.select_hyperslab((0,), (h5py.h5s.UNLIMITED,), (2,), (2,))
        plist.set_virtual(space, b"b%b.h5", b"x", h5py.h5s.create_simple((2,)))
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_DOUBLE, space, plist)
    found, books = ran(Hdf5Rows(tmp_path / "v.h5"))
    np.testing.assert_array_equal(found, ARRAY[:4])
    assert books.missing == 0


def test_links_that_lead_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = ARRAY
        file["dead"] = h5py.SoftLink("/nowhere")
        file["lost"] = h5py.ExternalLink("gone.h5", "/x")
        file["soft"] = h5py.SoftLink("/x")
    table = Hdf5Rows(path).open()
    assert sorted(table.columns) == ["soft", "x"]
    table.close()
    assert warnings(caplog) == [
        f"{path}: 2 links lead nowhere, and are left out: dead -> /nowhere, lost -> /x in gone.h5"
    ]
    with pytest.raises(DataError, match=r"a link that leads nowhere; found dead -> /nowhere"):
        Hdf5Rows(path, "dead").open()
    with pytest.raises(DataError, match=r"a link that leads nowhere; found lost -> /x in gone\.h5"):
        Hdf5Rows(path, "lost").open()


def test_raw_data_in_files_that_are_gone_or_too_short(tmp_path: Path) -> None:
    raw = tmp_path / "raw.bin"
    raw.write_bytes(bytes(8) + ARRAY.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (N,), "f8", external=[(str(raw), 8, N * 8)])
    np.testing.assert_array_equal(ran(Hdf5Rows(tmp_path / "a.h5"))[0], ARRAY)
    os.truncate(raw, 100)
    with pytest.raises(
        DataError, match=r"raw\.bin: truncated; found 100 bytes; wanted 168 bytes, for .*a\.h5"
    ):
        Hdf5Rows(tmp_path / "a.h5").open()
    raw.unlink()
    with pytest.raises(DataError, match=r"raw\.bin: no such file; wanted the raw data of .*a\.h5: x"):
        Hdf5Rows(tmp_path / "a.h5").open()


WRITER = """
import os, sys, h5py, numpy
file = h5py.File(sys.argv[1], "w", libver=sys.argv[2])
file.create_dataset("x", data=numpy.arange(100.0), chunks=(10,), maxshape=(None,))
file.flush()
if sys.argv[3] == "swmr":
    file.swmr_mode = True
print("ready", flush=True)
sys.stdin.readline()
os._exit(1)
"""


@pytest.mark.parametrize(("libver", "mode"), [("latest", "plain"), ("latest", "swmr"), ("earliest", "plain")])
def test_a_file_that_is_still_open_for_writing(libver: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    command = [sys.executable, "-c", WRITER, str(path), libver, mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        told = "a.h5: (locked by another program|not closed); found"
        with pytest.raises(DataError, match=told):
            Hdf5Rows(path).open()
        writer.communicate("\n")
    if libver == "latest":
        with pytest.raises(DataError, match=r"a\.h5: not closed; found .*did not close it; wanted .*h5clear"):
            Hdf5Rows(path).open()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.h5")
    with pytest.raises(DataError, match=r"a\.h5: not a file; found a pipe"):
        Hdf5Rows(tmp_path / "a.h5").open()


@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_more_rows_than_any_file_has(chunk: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("x", (8,), "u1", chunks=(chunk,), maxshape=(None,))
        made[:] = 7
        made.resize(1 << 60, axis=0)
    with pytest.raises(
        DataError, match=r"a\.h5: x: impossible size; found 1,152,921,504,606,846,976 rows of 1 b"
    ):
        Hdf5Rows(tmp_path / "a.h5").open()


def test_rows_that_no_memory_has_room_for(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("x", (3, 8), "f8", chunks=(1, 8), maxshape=(3, None))
        made[:] = 7
        made.resize(1 << 50, axis=1)
    with pytest.raises(
        DataError, match=r"a\.h5: x: impossible size; found 3 rows of 9,007,199,254,740,992 b"
    ):
        Hdf5Rows(tmp_path / "a.h5").open()
