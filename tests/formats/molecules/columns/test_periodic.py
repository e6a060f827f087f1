"""Batches of periodic molecules: cells, pairs that go around, shifts; and what would miss some is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import flowload as fl
from flowload.errors import DataError, GraphError
from flowload.formats.molecules import PackedMolecules
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.pairs.rule import PairRule
from flowload.formats.molecules.write import Some, packing
from flowload.kernels.molecules.images import find_images
from tests.formats.molecules import packs as naive

build = pytest.importorskip("ase.build")
neighbor_list = pytest.importorskip("ase.neighborlist").neighbor_list

OURS = Units(energy="kcal/mol", length="angstrom", force="kcal/mol/angstrom")


def systems() -> list[Any]:
    """Crystals, a slab, a wire and a molecule, in numbers that float32 can hold."""
    made = [
        build.bulk("Cu"),
        build.fcc111("Al", (2, 2, 2), vacuum=5),
        build.molecule("H2O"),
        build.bulk("Si", cubic=True),
        build.bulk("NaCl", "rocksalt", a=5.64),
    ]
    made[3].pbc = (False, False, True)
    for seed, atoms in enumerate(made):
        atoms.rattle(0.05, seed=seed)
        atoms.positions += np.array(atoms.cell).sum(axis=0) * (seed - 2)
        atoms.positions = atoms.positions.astype(np.float32)
        atoms.cell = np.array(atoms.cell).astype(np.float32)
    return made


def write(out: Path, frames: list[Any]) -> Path:
    """A folder of these."""
    count = np.array([len(atoms) for atoms in frames])
    places = np.concatenate([atoms.positions for atoms in frames])
    cell, pbc = (
        np.array([np.array(atoms.cell) for atoms in frames]),
        np.array([atoms.pbc for atoms in frames]),
    )
    numbers = np.concatenate([atoms.numbers for atoms in frames])
    with packing(out, OURS) as writer:
        writer.add(Some(count, numbers, places, places, np.arange(len(frames)), cell=cell, pbc=pbc), "here")
    return out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "set", systems())


def batches_of(graph: fl.Graph, **how: Any) -> list[dict[str, NDArray[Any]]]:
    with graph.iterate(**how) as batches:
        return [{key: np.array(array) for key, array in batch.items()} for batch in batches]


def wanted_pairs(frames: list[Any], slots: int, cutoff: float) -> NDArray[Any]:
    """(pairs, 5) of a batch, by ASE."""
    found = []
    for b, atoms in enumerate(frames):
        pairs = np.column_stack(neighbor_list("ijS", atoms, cutoff))
        pairs = pairs[np.lexsort(pairs.T[::-1])]
        pairs[:, :2] += b * slots
        found.append(pairs)
    return np.concatenate(found)


@pytest.mark.parametrize("layout", ["physnet", "masked"])
@pytest.mark.parametrize("num_atoms", [None, 9])
def test_pairs_are_those_of_ase(folder: Path, layout: str, num_atoms: int | None) -> None:
    frames, cutoff = systems(), 4.7
    records = PackedMolecules(folder, num_atoms, "real", cutoff)
    found = batches_of(fl.rows(records) >> fl.batch(2, layout=layout))
    for start, batch in zip(range(0, 5, 2), found, strict=True):
        part = frames[start : start + 2]
        slots = batch["R"].shape[1]
        pairs = np.column_stack([batch["dst_idx"], batch["src_idx"], batch["shifts"]])
        np.testing.assert_array_equal(pairs, wanted_pairs(part, slots, cutoff))
        assert batch["shifts"].dtype == np.int32
        np.testing.assert_array_equal(batch["cell"], [np.array(atoms.cell) for atoms in part])
        np.testing.assert_array_equal(batch["pbc"], [atoms.pbc for atoms in part])
        own = batch["dst_idx"] // slots
        places = batch["R"].reshape(-1, 3).astype(np.float64)
        moved = np.einsum("pk,pkx->px", batch["shifts"], batch["cell"][own].astype(np.float64))
        apart = places[batch["src_idx"]] + moved - places[batch["dst_idx"]]
        assert (np.linalg.norm(apart, axis=1) < cutoff + 1e-9).all()


def test_shuffled_batches_of_any_number_of_workers_are_alike(folder: Path) -> None:
    records = PackedMolecules(folder, pairs="real", cutoff=5.0)
    graph = fl.rows(records) >> fl.shuffle() >> fl.batch(2)
    for left, right in zip(*(batches_of(graph, seed=1, cpus=cpus) for cpus in (1, 2)), strict=True):
        assert left.keys() == right.keys()
        for key, array in left.items():
            np.testing.assert_array_equal(array, right[key], err_msg=key)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("cutoff", [4.0, None])
def test_half_of_the_pairs(tmp_path: Path, periodic: bool, cutoff: float | None) -> None:
    if periodic and cutoff is None:
        return
    path = tmp_path / "set"
    if periodic:
        write(path, systems())
    else:
        naive.write(path, naive.content([3, 1, 6]))

    def pairs(half: bool) -> NDArray[Any]:
        records = PackedMolecules(path, 9, "real", cutoff, half=half)
        (batch,) = batches_of(fl.rows(records) >> fl.batch(9))
        none = np.zeros((len(batch["dst_idx"]), 3), int)
        return np.column_stack([batch["dst_idx"], batch["src_idx"], batch.get("shifts", none)])

    full, half = pairs(False), pairs(True)
    mirrored = np.column_stack([half[:, 1], half[:, 0], -half[:, 2:]])
    assert len(half) * 2 == len(full) > 0
    assert set(map(tuple, np.concatenate([half, mirrored]).tolist())) == set(map(tuple, full.tolist()))
    assert sorted(half.tolist()) == half.tolist()


@pytest.mark.parametrize(
    "how", [{"pairs": "molecule"}, {"pairs": "batch"}, {"pairs": "real"}, {"pairs": "real", "half": True}]
)
def test_pairs_that_miss_some_are_refused(folder: Path, how: Any) -> None:
    wanted = "wanted pairs='real' with a cutoff, or pairs='none': others miss those across a boundary"
    with pytest.raises(DataError, match=rf"periodic molecules; found pairs='{how['pairs']}'.*{wanted}"):
        PackedMolecules(folder, **how).open()


def test_the_pairs_of_a_layout_are_refused_when_it_is_asked_for(folder: Path) -> None:
    records = PackedMolecules(folder)
    assert "dst_idx" not in batches_of(fl.rows(records) >> fl.batch(2, layout="masked"))[0]
    with pytest.raises(DataError, match="found pairs='molecule'; wanted pairs='real' with a cutoff"):
        batches_of(fl.rows(records) >> fl.batch(2))


def test_where_nothing_is_periodic_all_pairs_will_do(tmp_path: Path) -> None:
    water = build.molecule("H2O")
    records = PackedMolecules(write(tmp_path / "set", [water, water]), pairs="real")
    (batch,) = batches_of(fl.rows(records) >> fl.batch(2))
    assert batch["dst_idx"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert batch["shifts"].tolist() == [[0, 0, 0]] * 12
    (batch,) = batches_of(fl.rows(PackedMolecules(tmp_path / "set", pairs="batch")) >> fl.batch(2))
    assert "shifts" not in batch


def spoil(folder: Path, name: str, dtype: Any, place: Any, value: Any) -> None:
    numbers = np.fromfile(folder / name, dtype)
    numbers[place] = value
    (folder / name).write_bytes(numbers.tobytes())


@pytest.mark.parametrize("num_atoms", [None, 9])
@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (
            slice(0, 3),
            0,
            r"cell\.f32, molecule 0: flat cell; found .* with pbc .*; wanted lattice vectors with a",
        ),
        (slice(0, 9), [1e-2, 0, 0, 0, 1e-2, 0, 0, 0, 1e-2], r"molecule 0: tiny cell; .*cutoff of 4\.5 Å"),
        (2, np.nan, r"cell\.f32, molecule 0, byte 8: not finite; found nan"),
    ],
)
def test_a_cell_that_cannot_be_is_named_or_skipped(
    folder: Path, num_atoms: int | None, place: Any, value: Any, message: str
) -> None:
    spoil(folder, "cell.f32", np.float32, place, value)
    molecules = fl.rows(PackedMolecules(folder, num_atoms, "real", 4.5))
    with pytest.raises(DataError, match=message):
        batches_of(molecules >> fl.batch(2))
    found = batches_of(molecules >> fl.batch(4, on_error="skip"))
    assert [batch["E"].tolist() for batch in found] == [[1, 2, 3, 4]]
    with pytest.raises(DataError, match=message):
        PackedMolecules(folder, num_atoms, "real", 4.5, check_values=True).open()


def test_an_atom_too_far_outside_is_named(folder: Path) -> None:
    spoil(folder, "R_pack.f32", np.float32, 3, 1e25)
    with pytest.raises(DataError, match=r"R_pack\.f32, molecule 1: outside; found an atom a billion cells"):
        batches_of(fl.rows(PackedMolecules(folder, pairs="real", cutoff=3.0)) >> fl.batch(3))


def test_half_is_for_real_pairs(folder: Path) -> None:
    with pytest.raises(GraphError, match="half is for pairs='real'; here pairs='none'"):
        PackedMolecules(folder, pairs="none", half=True)
    with pytest.raises(GraphError, match="half is 1; wanted True or False"):
        PackedMolecules(folder, pairs="real", half=1)  # type: ignore[arg-type]


def test_memory_knows_neighbours(folder: Path) -> None:
    def given(cutoff: float) -> int:
        graph = fl.rows(PackedMolecules(folder, 9, "real", cutoff)) >> fl.batch(1000)
        return sum(graph.memory().values())

    assert given(12.0) > 2 * given(6.0) > 0
    (batch,) = batches_of(fl.rows(PackedMolecules(folder, 9, "real", 6.0)) >> fl.batch(5))
    pairs = sum(batch[key].nbytes for key in ("dst_idx", "src_idx", "shifts"))
    assert pairs <= PackedMolecules(folder, 9, "real", 6.0).attending_bytes("physnet", 5)


@pytest.mark.parametrize("how", [{"size": 1000}, {"atoms": 9000}])
def test_memory_knows_the_lists_in_which_neighbours_are_found(folder: Path, how: dict[str, Any]) -> None:
    def told(workers: int) -> int:
        records = PackedMolecules(folder, 9, "real", 6.0)
        return sum((fl.rows(records) >> fl.batch(workers=workers, **how)).memory(cpus=1).values())

    records = PackedMolecules(folder, 9, "real", 6.0)
    by = "rows" if "size" in how else "atoms"
    lists = records.writing_bytes("physnet", by, next(iter(how.values())))
    batch = records.attending_bytes("physnet", 1000)
    assert told(3) - told(2) > lists
    assert lists == pytest.approx(12 * 3 * batch / 20, rel=0.2)  # two lists of pairs, and what grows
    assert PackedMolecules(folder, 9, "none").writing_bytes("physnet", by, 1000) == 0


@pytest.mark.parametrize("atoms", [2, 8, 60, 500])
def test_the_lists_are_no_longer_than_is_told(atoms: int) -> None:
    rng = np.random.default_rng(0)
    cutoff, edge = 5.0, (atoms / 0.17) ** (1 / 3)  # nearly as dense as diamond
    places = (rng.random((2, 3 * atoms)) * edge).astype(np.float32)
    cells = np.broadcast_to(np.eye(3) * edge, (2, 3, 3)).copy()
    sizes, pbc = np.full(2, atoms, np.int32), np.ones((2, 3), np.bool_)
    found, count = find_images(places, sizes, cells, pbc, (cutoff, False), np.zeros(1, np.uint8))
    assert count > 0
    # While a list grows, one of half its length is there, too.
    peak = 1.5 * (found[0].nbytes + found[1].nbytes) + found[2].nbytes + found[3].nbytes
    assert peak <= PairRule("real", cutoff).finding_bytes(2, atoms, cells=True)


def test_cells_are_there_whatever_is_selected(folder: Path) -> None:
    records = PackedMolecules(folder, pairs="none", select=())
    (batch,) = batches_of(fl.rows(records) >> fl.batch(5, layout="masked"))
    assert sorted(batch) == ["R", "Z", "cell", "mask", "pbc"]


@pytest.mark.parametrize("half", [False, True])
def test_room_for_pairs_and_batches_by_pairs(folder: Path, half: bool) -> None:
    records = PackedMolecules(folder, 9, "real", 4.0, half=half, edges=(300, 900))
    found = batches_of(fl.rows(records) >> fl.batch(edges=900))
    assert sum(len(batch["E"]) for batch in found) == 5
    for batch in found:
        pairs = int(batch["edge_mask"].sum())
        alone = PackedMolecules(folder, 9, "real", 4.0, half=half)
        (wanted,) = batches_of(fl.rows(alone, indices=batch["E"].astype(int)) >> fl.batch(5))
        assert len(batch["shifts"]) == (300 if pairs <= 300 else 900)
        for key in ("dst_idx", "src_idx", "shifts"):
            np.testing.assert_array_equal(batch[key][:pairs], wanted[key])
        assert not batch["shifts"][pairs:].any()
    with records.open().guard:
        counts = records.open().demand("edges", np.arange(5))
    (every,) = batches_of(fl.rows(PackedMolecules(folder, 9, "real", 4.0, half=half)) >> fl.batch(5))
    assert counts.costs.tolist() == np.bincount(every["dst_idx"] // 9, minlength=5).tolist()


def test_batches_by_pairs_meet_bad_cells_by_name(folder: Path) -> None:
    spoil(folder, "cell.f32", np.float32, slice(0, 3), 0)
    with pytest.raises(DataError, match="molecule 0: flat cell"):
        batches_of(fl.rows(PackedMolecules(folder, 9, "real", 4.0)) >> fl.batch(edges=900))
