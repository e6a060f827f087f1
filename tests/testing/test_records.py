"""The exam of records: our own pass it, and those with a mistake do not."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import lmdb
import numpy as np
import pytest
import tiledb
import zarr

import flowload as fl
from flowload.abc.records import LayoutRecords
from flowload.formats.games.cache import Games
from flowload.formats.games.pack import pack_games
from flowload.formats.games.packed import PackedGames
from flowload.formats.molecules import Column
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.packed import PackedMolecules
from flowload.formats.molecules.write import Some, packing
from flowload.formats.recordings.recording import recording
from flowload.formats.rows.hdf5 import Hdf5Rows
from flowload.formats.rows.lmdb import LmdbRows
from flowload.formats.rows.npy import NpyRows
from flowload.formats.rows.tiledb import TileDbRows
from flowload.formats.rows.zarr import ZarrRows
from flowload.sample import sample_path
from flowload.stages.rows.arrays import Arrays, Count
from flowload.testing import check_records, check_stage
from tests.stages.toy_rows import ToyRecords
from tests.testing.wrong_records import WRONG_RECORDS, PlainTable, Squares

X = np.arange(1000, dtype=np.float32).reshape(500, 2)
Y = np.arange(500) % 7


def npy(folder: Path) -> LayoutRecords:
    np.save(folder / "x.npy", X)
    np.save(folder / "y.npy", Y)
    return NpyRows(folder)


def hdf5(folder: Path) -> LayoutRecords:
    with h5py.File(folder / "a.h5", "w") as file:
        file["y"] = Y
        file.create_dataset("x", data=X, chunks=(50, 2), compression="gzip")
    return Hdf5Rows(folder / "a.h5", ("x", "y"))


def zarr_rows(folder: Path) -> LayoutRecords:
    array = zarr.create_array(folder / "a.zarr", shape=X.shape, chunks=(50, 2), dtype=X.dtype)
    array[:] = X
    return ZarrRows(folder / "a.zarr")


def lmdb_rows(folder: Path) -> LayoutRecords:
    environment = lmdb.open(str(folder / "a.lmdb"), map_size=1 << 24)
    with environment, environment.begin(write=True) as transaction:
        for row in range(len(X)):
            transaction.put(b"%d" % row, X[row].tobytes())
    return LmdbRows(str(folder / "a.lmdb"), {"x": (np.dtype(np.float32), (2,))})


def tiledb_rows(folder: Path) -> LayoutRecords:
    dims = [tiledb.Dim(f"d{k}", (0, size - 1), size, dtype=np.int64) for k, size in enumerate(X.shape)]
    schema = tiledb.ArraySchema(tiledb.Domain(*dims), [tiledb.Attr("x", dtype=X.dtype)])
    tiledb.Array.create(str(folder / "a"), schema)
    with tiledb.open(str(folder / "a"), "w") as array:
        array[:] = {"x": X}
    return TileDbRows(folder / "a")


def packed_games(folder: Path) -> LayoutRecords:
    pack_games(sample_path("games"), folder / "packed")
    return PackedGames(folder / "packed")


def packed(folder: Path, *, periodic: bool = False) -> Path:
    """Molecules with columns and without forces; periodic ones have cells of different shapes."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, 60)
    atoms = int(sizes.sum())
    declared = {
        "dipole": Column(per="molecule", shape=(3,), kind="vector"),
        "part": Column(per="atom", shape=(2,), dtype="float64"),
        "fixed": Column(per="atom", dtype="bool"),
    }
    columns = {
        "dipole": rng.normal(size=(60, 3)),
        "part": rng.normal(size=(atoms, 2)),
        "fixed": rng.random(atoms) < 0.5,
    }
    how: dict[str, Any] = {}
    if periodic:
        how["cell"] = np.eye(3) * rng.uniform(3, 5, (60, 1, 1)) + rng.normal(size=(60, 3, 3), scale=0.3)
        how["pbc"] = rng.random((60, 3)) < 0.7
    with packing(folder / "packed", Units(energy="eV", length="angstrom"), columns=declared) as writer:
        places = rng.normal(size=(atoms, 3), scale=3)
        numbers = rng.integers(1, 10, atoms)
        writer.add(Some(sizes, numbers, places, None, rng.normal(size=60), columns=columns, **how), "here")
    return folder / "packed"


KINDS: dict[str, Callable[[Path], LayoutRecords]] = {
    "npy": npy,
    "hdf5": hdf5,
    "zarr": zarr_rows,
    "lmdb": lmdb_rows,
    "tiledb": tiledb_rows,
    "numbers": lambda _: Count(500),
    "arrays": lambda _: Arrays({"x": X, "y": Y}),
    "games": lambda _: Games(sample_path("games")),
    "packed games": packed_games,
    "molecules": lambda _: PackedMolecules(sample_path("molecules"), num_atoms=26),
    "molecules with pairs": lambda _: PackedMolecules(
        sample_path("molecules"), num_atoms=26, pairs="real", cutoff=5.0
    ),
    "molecules of any size": lambda _: PackedMolecules(sample_path("molecules")),
    "molecules with columns": lambda tmp_path: PackedMolecules(packed(tmp_path), num_atoms=9, pairs="none"),
    "crystals": lambda tmp_path: PackedMolecules(packed(tmp_path, periodic=True), pairs="real", cutoff=3.0),
    "recordings": lambda _: recording(str(sample_path("neural")), 64),
    "toy": lambda _: ToyRecords(100, bad=(3, 7)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_records_pass(kind: str, tmp_path: Path) -> None:
    records = KINDS[kind](tmp_path)
    assert 20 < check_records(records) <= 43
    assert check_records(records, rows=1, seed=1) >= 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("recordings", "toy")])
def test_graphs_over_them_pass_as_stages_do(kind: str, tmp_path: Path) -> None:
    """The blocks of a run refer to its tables: maps are tried as long as these are open."""
    rows = fl.rows(KINDS[kind](tmp_path))
    made = check_stage(rows >> fl.shuffle() >> fl.batch(64), epochs=1, seeds=(0,))
    assert made


def test_the_example_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    code = textwrap.dedent(str(check_records.__doc__).split("```")[1].removeprefix("python"))
    module = ModuleType("example")  # records are pickled by the name of their module
    monkeypatch.setitem(sys.modules, "example", module)
    told: list[int] = []
    names = {"dataclass": dataclass, "np": np, "check_records": lambda made: told.append(check_records(made))}
    vars(module).update(names)
    exec(code, vars(module))
    assert told == [43]


def test_right_records_pass() -> None:
    assert 30 < check_records(Squares()) <= 43


@pytest.mark.parametrize(("table", "words"), WRONG_RECORDS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_mistake_is_found(table: type[PlainTable], words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_records(Squares(100, table))
    assert words in str(caught.value)


@dataclass(frozen=True)
class Loud(Squares):
    """Never equal."""

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0


class Part:
    """Not records."""

    name, layouts = "part", ("a",)


def test_what_is_no_value_is_found() -> None:
    with pytest.raises(AssertionError, match="is not equal to its copy through pickle"):
        check_records(Loud())
    with pytest.raises(AssertionError, match="cannot be pickled"):
        check_records(Squares(100, type("Local", (PlainTable,), {})))
    part: Any = Part()
    with pytest.raises(AssertionError, match="Part has no open"):
        check_records(part)
