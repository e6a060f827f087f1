"""A file that changes under a run: it is named, every batch before was right, and the process lives on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import flowload as fl
from flowload.errors import DataError
from flowload.formats.games.boards import Boards
from flowload.formats.games.packed import PackedGames
from flowload.formats.molecules.packed import PackedMolecules
from flowload.formats.rows.hdf5 import Hdf5Rows
from flowload.formats.rows.lmdb import LmdbRows
from flowload.formats.rows.npy import NpyRows
from flowload.formats.rows.zarr import ZarrRows
from flowload.graph import Graph
from tests.formats.molecules import packs as small
from tests.suite.warm import run_warm

ROWS = 20_000
Batch = Mapping[str, NDArray[Any]]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def rewrite(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(np.random.default_rng(0).bytes(size))
    os.utime(path, ns=(1, 1))  # whatever the clock's grain


def write_again(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def replace(path: Path) -> None:
    new = path.with_name("new")
    new.write_bytes(path.read_bytes())
    new.replace(path)


def delete(path: Path) -> None:
    path.unlink()


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(1000))


CHANGES = [cut, rewrite, write_again, replace, delete, grow]


@pytest.fixture(scope="module", autouse=True)
def thread_of_zarr(tmp_path_factory: pytest.TempPathFactory) -> None:
    """zarr-python starts one with its first array, and keeps it."""
    zarr(tmp_path_factory.mktemp("zarr"))


class Data:
    """Files, a line over them in which a batch says of which rows it is, and what those hold."""

    def __init__(self, files: list[Path], graph: Graph, right: Callable[[Batch], bool]) -> None:
        self.files = files
        self.graph = graph
        self.right = right


def numbered() -> NDArray[np.float32]:
    return np.repeat(np.arange(ROWS, dtype=np.float32)[:, None], 64, axis=1)


def constant(batch: Batch) -> bool:
    (x,) = batch.values()
    return bool((x == x[:, :1]).all() and (np.diff(np.sort(x[:, 0])) >= 1).all())


def npy(folder: Path) -> Data:
    np.save(folder / "x.npy", numbered())
    return Data([folder / "x.npy"], fl.rows(NpyRows(folder / "x.npy")), constant)


def own_map(folder: Path) -> Data:
    np.save(folder / "x.npy", numbered())
    return Data([folder / "x.npy"], fl.rows({"x": np.load(folder / "x.npy", mmap_mode="r")}), constant)


def hdf5(folder: Path, **how: Any) -> Data:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=numbered(), **how)
    return Data([folder / "x.h5"], fl.rows(Hdf5Rows(folder / "x.h5")), constant)


def hdf5_chunks(folder: Path) -> Data:
    return hdf5(folder, chunks=(128, 64))


def hdf5_gzip(folder: Path) -> Data:
    return hdf5(folder, chunks=(128, 64), compression="gzip")


def lmdb(folder: Path) -> Data:
    library = pytest.importorskip("lmdb")
    with (
        library.open(str(folder / "x"), map_size=1 << 26) as environment,
        environment.begin(write=True) as into,
    ):
        for row, values in enumerate(numbered()):
            into.put(b"%d" % row, values.tobytes())
    return Data(
        [folder / "x" / "data.mdb"], fl.rows(LmdbRows(str(folder / "x"), {"x": ("f4", (64,))})), constant
    )


def zarr(folder: Path, name: str = "zarr.json", **how: Any) -> Data:
    library = pytest.importorskip("zarr")
    how |= {"shape": (ROWS, 64), "chunks": (128, 64), "dtype": "f4", "overwrite": True}
    library.create_array(folder / "x", **how)[:] = numbered()
    return Data([folder / "x" / name], fl.rows(ZarrRows(folder / "x")), constant)


def zarr_2(folder: Path) -> Data:
    return zarr(folder, ".zarray", zarr_format=2)


def zarr_zip(folder: Path) -> Data:
    zarr(folder)
    shutil.make_archive(str(folder / "x"), "zip", folder / "x")
    return Data([folder / "x.zip"], fl.rows(ZarrRows(folder / "x.zip")), constant)


def games(folder: Path) -> Data:
    inputs = np.zeros((ROWS, 193), np.uint8)
    bits = np.arange(ROWS)[:, None] >> np.arange(16) & 1
    inputs[:, :16], inputs[:, 100:116] = bits, bits  # what says which row it is, twice
    np.save(folder / "a_inputs.npy", inputs)
    np.save(folder / "a_outputs.npy", (np.arange(ROWS) % 3).astype(np.uint8))

    def right(batch: Batch) -> bool:
        rows = batch["inputs"][:, :16] @ (1 << np.arange(16))
        same = batch["inputs"][:, :16] == batch["inputs"][:, 100:116]
        return bool(same.all() and (batch["outputs"] == rows % 3).all())

    return Data([folder / "a_inputs.npy", folder / "a_outputs.npy"], fl.rows(PackedGames(folder)), right)


def boards(folder: Path) -> Data:
    np.save(folder / "x.npy", np.arange(ROWS, dtype=np.uint64)[:, None] * np.ones((1, 3), np.uint64))

    def right(batch: Batch) -> bool:
        return bool((batch["boards"] == batch["boards"][:, :1]).all())

    return Data([folder / "x.npy"], fl.rows(Boards(folder / "x.npy")), right)


def molecules(folder: Path) -> Data:
    content = small.content(np.random.default_rng(0).integers(1, 30, 2000).tolist())
    small.write(folder, content)
    energies = {float(energy): row for row, energy in enumerate(content["E.f64"])}

    def right(batch: Batch) -> bool:
        for place, energy in enumerate(batch["E"].tolist()):
            row = energies[energy]
            first, end = content["offsets.npy"][row : row + 2]
            for key, name in (("Z", "Z_pack.int32"), ("R", "R_pack.f32"), ("F", "F_pack.f32")):
                if not np.array_equal(batch[key][place, : end - first], content[name][first:end]):
                    return False
        return True

    names = ("offsets.npy", "n_atoms.npy", "Z_pack.int32", "R_pack.f32", "F_pack.f32", "E.f64")
    graph = fl.rows(PackedMolecules(folder, pairs="none"))
    return Data([folder / name for name in names], graph, right)


KINDS = [npy, own_map, hdf5, hdf5_chunks, hdf5_gzip, lmdb, zarr, zarr_2, zarr_zip, games, boards, molecules]


@pytest.mark.hammer
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_named_and_no_other_row_is_given(
    tmp_path: Path, kind: Callable[[Path], Data], change: Callable[[Path], None]
) -> None:
    if kind is own_map and change is not cut and change is not write_again:
        pytest.skip("what the user has opened is his: only that it is cut would end the process")
    many = len(kind(tmp_path).files)
    for number in range(many):
        data = kind(tmp_path)
        line = data.graph >> fl.shuffle() >> fl.batch(64)
        told = rf"{data.files[number].name}: file changed; found "
        with line.iterate(seed=1, epochs=None) as run, pytest.raises(DataError, match=told):  # noqa: PT012
            for count, batch in enumerate(run):
                assert data.right(batch)
                if count == 3:
                    change(data.files[number])


@pytest.mark.parametrize("kind", [npy, hdf5_chunks, games, molecules])
def test_another_run_reads_what_is_there_then(tmp_path: Path, kind: Callable[[Path], Data]) -> None:
    data = kind(tmp_path)
    with (data.graph >> fl.batch(64)).iterate(epochs=1) as run:
        assert all(data.right(batch) for batch in run)
    replace(data.files[0])
    with (data.graph >> fl.batch(64)).iterate(epochs=1) as run:  # another run: it is what it is
        assert all(data.right(batch) for batch in run)


# ---- tars and .gz files: read by position, some at a time


def frames(paths: list[Path], **how: Any) -> Graph:
    return fl.discover([str(path) for path in paths]) >> fl.read("lc0", **how) >> fl.shuffle_pool(100)


@pytest.mark.parametrize("change", CHANGES)
def test_a_tar_is_named(tars: list[Path], change: Callable[[Path], None]) -> None:
    line = frames(tars) >> fl.unpack() >> fl.batch(50, layout="bits")
    told = r"\.tar: (file changed|vanished); found "
    with line.iterate(seed=1, epochs=None) as run, pytest.raises(DataError, match=told):  # noqa: PT012
        for count, _ in enumerate(run):
            if count == 3:
                for path in tars:
                    change(path)


@pytest.mark.parametrize("change", CHANGES)
def test_a_tar_that_changed_is_skipped_whole(tars: list[Path], change: Callable[[Path], None]) -> None:
    line = frames(tars, on_error="skip") >> fl.unpack(on_error="skip") >> fl.batch(50)
    with line.iterate(seed=1, epochs=2) as run:
        for count, _ in enumerate(run):
            if count == 0:
                change(tars[0])
        stats = run.stats()
    dropped = stats.stages["read"].dropped
    assert set(dropped) <= {"file changed", "vanished"}
    assert sum(dropped.values()) <= 1


def test_a_file_between_its_index_and_its_reading(tars: list[Path]) -> None:
    def swap(block: Any) -> Any:
        replace(tars[0])
        return block

    line = fl.discover([str(tars[0])]) >> fl.read("lc0") >> fl.map(swap) >> fl.unpack() >> fl.batch(50)
    with (
        line.iterate() as run,
        pytest.raises(DataError, match=r"tar: file changed; found file .*; wanted file"),
    ):
        list(run)


# ---- what ended the process


@pytest.mark.slow
def test_offsets_that_are_written_to_lead_no_kernel_astray(tmp_path: Path) -> None:
    code = """
import sys, numpy as np, flowload as fl
from itertools import islice
from flowload.formats.molecules.packed import PackedMolecules
table = PackedMolecules(sys.argv[1], num_atoms=40, pairs="none").open()
offsets = np.load(sys.argv[1] + "/offsets.npy", mmap_mode="r+")
before = table.pack.offsets.copy()
offsets[1::2] += 1_000_000_000
offsets.flush()
assert (table.pack.offsets == before).all() and not np.shares_memory(table.pack.offsets, offsets)
from tests.stages.fakes import FakeCall
rows = np.arange(len(table))
fields = table.fields("physnet", rows)
out = {key: np.zeros((len(rows), *shape), dtype) for key, (shape, dtype) in fields.items()}
for layout in table.layouts:
    table.usable(rows, FakeCall()); table.sizes(rows); table.padding(rows); table.group("composition", rows)
table.write("physnet", rows, out, FakeCall())
print("alive")
"""
    small.write(tmp_path, small.content(np.random.default_rng(0).integers(1, 30, 500).tolist()))
    done = run_warm("-c", code, str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")
