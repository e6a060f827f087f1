"""Hdf5Rows against h5py over random files, and over files that were damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flowload.errors import NoDataError
from flowload.formats.compared import unlike
from flowload.formats.rows.hdf5 import Hdf5Rows
from tests.fuzz.children import read_in_a_child
from tests.fuzz.inputs.mutate import mutants
from tests.stages.fakes import FakeCall

h5py = pytest.importorskip("h5py")
hdf5_files = pytest.importorskip("tests.fuzz.inputs.hdf5_files")

SEED = 20


@pytest.mark.slow
def test_random_files_are_read_as_h5py_reads_them(
    fuzz_count: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kinds: dict[str, int] = {}
    for number in range(fuzz_count // 2):
        rng = np.random.default_rng((SEED, number))
        path = tmp_path / "a.h5"
        try:
            hdf5_files.draw(path, rng)
        except (OSError, RuntimeError):  # a filter that failed when a chunk was made smaller
            continue
        kind = compare(path, rng, f"file {number} of seed {SEED}")
        kinds[kind] = kinds.get(kind, 0) + 1
        path.unlink()
    # Not even the comparison when a set is opened found a difference.
    assert not [record for record in caplog.records if "slowly" in record.getMessage()]
    assert {"MappedColumn", "ChunksColumn", "CodedColumn", "DatasetColumn"} <= set(kinds), kinds


def compare(path: Path, rng: np.random.Generator, what: str) -> str:
    """What read the file, which was right."""
    with h5py.File(path) as file:
        dataset = file["x"]
        stored = dataset.id.get_storage_size()
        if not stored:
            with pytest.raises(NoDataError, match="never written"):
                Hdf5Rows(path, "x").open()
            return "nothing"
        try:
            wanted, gone = dataset[:], hdf5_files.missing_rows(dataset)
        except OSError:  # LZF in front of another filter, say, of data that it could not make smaller
            return "unreadable"
    table = Hdf5Rows(path, "x").open()
    try:
        kind = type(table.columns["x"]).__name__
        assert len(table) == len(wanted), what
        for size in (1, len(wanted), 30):
            rows = rng.integers(0, len(wanted), size)
            shape, dtype = table.fields("arrays", rows)["x"]
            out = np.frombuffer(bytearray(b"\xa5" * (size * wanted[:1].nbytes)), np.uint8).view(dtype)
            out = out.reshape(size, *shape)
            call = FakeCall()
            table.write("arrays", rows, {"x": out}, call)
            assert dtype.isnative, what
            differs = unlike(out, wanted[rows])
            assert not differs.any(), f"{what}: {kind}: rows {rows[differs]} of {dtype}{shape}"
            assert sum(count for _, count in call.lacks) == gone[rows].sum(), f"{what}: {kind}: missing"
    finally:
        table.close()
    return kind


#: Reads damaged files in a process of its own: HDF5 itself may die of one.
CHILD = """
import sys, faulthandler, warnings
import h5py, numpy as np
from flowload.errors import FlowloadError
from flowload.formats.rows.hdf5 import Hdf5Rows
from flowload.formats.rows.columns import ColumnTable
from tests.fuzz.inputs.mutate import survives
from tests.stages.fakes import FakeCall

def by_h5py(path):
    with h5py.File(path) as file:
        for name in ("plain", "packed", "whole"):
            file[name][:]

def by_us(path):
    for name in ("plain", "packed", "whole"):
        def read():
            table = Hdf5Rows(path, name).open()
            try:
                rows = np.arange(min(len(table), 200))[::-1].copy()
                fields = table.fields("arrays", rows)
                if sum(int(np.prod(s)) * d.itemsize for s, d in fields.values()) > 1 << 20:
                    return
                out = {key: np.empty((len(rows), *s), d) for key, (s, d) in fields.items()}
                table.write("arrays", rows, out, FakeCall())
            finally:
                table.close()
        survives(read, f"{path}: {name}")

for path in sys.argv[1:]:
    print("library", path, flush=True)
    try:
        by_h5py(path)
    except Exception:
        pass
    print("us", path, flush=True)
    by_us(path)
print("done", flush=True)
"""


def valid(path: Path) -> bytes:
    """A file with one set of each kind that is read past h5py."""
    array = np.arange(120, dtype=">i4").reshape(40, 3)
    with h5py.File(path, "w") as file:
        file.create_dataset("plain", data=array, chunks=(7, 3))
        file.create_dataset("packed", data=array, chunks=(7, 3), compression="gzip", shuffle=True)
        file["whole"] = array
    return path.read_bytes()


@pytest.mark.slow
def test_damaged_files_are_read_or_refused(fuzz_count: int, tmp_path: Path) -> None:
    seed = valid(tmp_path / "valid.h5")
    paths = []
    for number, data in enumerate(mutants(seed, count=fuzz_count // 2, seed=SEED, first=2048)):
        path = tmp_path / f"{number}.h5"
        path.write_bytes(data)
        paths.append(path)
    assert read_in_a_child(CHILD, paths) <= fuzz_count // 20
