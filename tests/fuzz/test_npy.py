"""NpyRows against numpy over random files, and over files that were damaged."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy
from numpy.typing import NDArray

from flowload.formats.compared import unlike
from flowload.formats.rows.npy import NpyRows
from tests.fuzz.inputs.mutate import mutants, survives
from tests.stages.fakes import FakeCall

SEED = 21
KINDS: tuple[Any, ...] = (
    "u1", "<i2", ">i2", "<f2", ">f4", "<f8", ">c16", "?", "S5", "V3", "<U3", ">U2", "<M8[us]", "<m8[D]",
    "<i4,>f8", [("\u03a9", ">i2", (2,)), ("b'\\", [("c", "<f4"), ("\u00e9", ">u2")])],
    {"names": ["a", "b"], "formats": ["u1", "<i4"], "offsets": [0, 4], "itemsize": 12},
)  # fmt: skip


def drawn(rng: np.random.Generator) -> NDArray[Any]:
    """An array of any kind and shape, of random bytes."""
    shape = tuple(int(n) for n in rng.integers(1, 9, rng.integers(1, 5)))
    kind = np.dtype(KINDS[rng.integers(len(KINDS))])
    data = rng.integers(0, 2 if kind.kind in "?U" else 256, int(np.prod(shape)) * kind.itemsize, np.uint8)
    if kind.kind == "U":  # characters beyond Unicode are none
        data.view(kind.newbyteorder("=").str[0] + "u4")[:] &= 0x7F
    return np.frombuffer(data.tobytes(), kind).reshape(shape)


def saved(array: NDArray[Any], rng: np.random.Generator) -> bytes:
    """As a file of one of the versions that can hold it."""
    file = io.BytesIO()
    versions = [(1, 0), (2, 0), (3, 0)]
    for version in rng.permutation(3).tolist():
        try:
            npy.write_array(file, array, version=versions[version])
        except (ValueError, UnicodeError):
            file.seek(0)
            file.truncate()
        else:
            break
    return file.getvalue()


def read_all(path: Path, rows: Any) -> NDArray[Any]:
    table = NpyRows({"x": path}).open()
    try:
        rows = np.arange(len(table)) if rows is None else rows
        shape, dtype = table.fields("arrays", rows)["x"]
        out = np.empty((len(rows), *shape), dtype)
        table.write("arrays", rows, {"x": out}, FakeCall())
        return out
    finally:
        table.close()


@pytest.mark.filterwarnings("ignore:Stored array in format")
def test_random_files_are_read_as_numpy_reads_them(fuzz_count: int, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    for number in range(fuzz_count):
        rng = np.random.default_rng((SEED, number))
        path.write_bytes(saved(drawn(rng), rng))
        wanted = np.load(path)
        rows = rng.integers(0, len(wanted), int(rng.integers(1, 20)))
        found = read_all(path, rows)
        assert found.dtype == wanted.dtype.newbyteorder("="), f"file {number} of seed {SEED}"
        assert found.shape == wanted[rows].shape
        assert not unlike(found, wanted[rows]).any(), f"file {number} of seed {SEED}: {wanted.dtype}"


@pytest.mark.filterwarnings("ignore")  # numpy has some for what it reads
def test_damaged_files_are_read_or_refused(fuzz_count: int, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    rng = np.random.default_rng(SEED)
    seeds = [saved(drawn(rng), rng) for _ in range(10)]
    whole = 0
    for number, valid in enumerate(seeds):
        count = -(-fuzz_count // len(seeds))
        for k, data in enumerate(mutants(valid, count=count, seed=100 + number, first=128)):
            path.write_bytes(data)
            whole += survives(lambda: read_all(path, None), f"mutant {k} of file {number}")
    assert whole < fuzz_count
