"""What is packed with columns, cells, and without forces is what is read; what does not fit is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError
from flowload.formats.molecules import Column, PackedMolecules
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.files import open_pack
from flowload.formats.molecules.write import PackWriter, Some, packing

OURS = Units(energy="kcal/mol", length="angstrom", force="kcal/mol/angstrom")
BOHR = Units(energy="kcal/mol", length="bohr")
DIPOLE = Column(per="molecule", shape=(3,), unit="e*angstrom", kind="vector")
SPIN = Column(per="molecule", dtype="int8")
PART = Column(per="atom", dtype="float64", unit="e")


def some(sizes: list[int], seed: int = 0, **how: Any) -> Some:
    rng, atoms = np.random.default_rng(seed), sum(sizes)
    made: dict[str, Any] = {
        "numbers": rng.integers(1, 10, atoms),
        "places": rng.normal(size=(atoms, 3)),
        "forces": rng.normal(size=(atoms, 3)),
        "energies": rng.normal(size=len(sizes)),
    }
    return Some(np.array(sizes), **(made | how))


def columns(sizes: list[int]) -> dict[str, Any]:
    rng, atoms = np.random.default_rng(1), sum(sizes)
    dipole, part = rng.normal(size=(len(sizes), 3)), rng.normal(size=atoms)
    return {"dipole": dipole, "spin": np.ones(len(sizes)), "part": part}


def pack(
    out: Path, *parts: Some, units: Units = OURS, declared: Any = None, skip: bool = False
) -> PackWriter:
    with packing(out, units, columns=declared or {}, skip_bad=skip) as writer:
        for part in parts:
            writer.add(part, "here")
    return writer


DECLARED = {"dipole": DIPOLE, "spin": SPIN, "part": PART}


def test_columns_are_read_as_they_were_written(tmp_path: Path) -> None:
    parts = [[3, 1], [2, 2, 5]]
    with packing(tmp_path / "out", OURS, columns=DECLARED) as writer:
        for sizes in parts:
            writer.add(some(sizes, columns=columns(sizes)), "here")
    records = PackedMolecules(tmp_path / "out")
    assert records.columns == DECLARED
    pack = open_pack(tmp_path / "out")
    for name, column in DECLARED.items():
        wanted = np.concatenate([np.ravel(columns(sizes)[name]) for sizes in parts]).astype(column.dtype)
        np.testing.assert_array_equal(pack.columns[name], wanted)
    said = json.loads((tmp_path / "out/meta.json").read_text())
    assert (said["molecules"], said["atoms"], said["skipped"]) == (5, 13, 0)


def test_a_folder_without_columns_is_as_it_always_was(tmp_path: Path) -> None:
    with packing(tmp_path / "out", OURS) as writer:
        writer.add(some([3, 1]), "here")
    names = ["E.f64", "F_pack.f32", "Qtot.f64", "R_pack.f32", "Z_pack.int32", "n_atoms.npy", "offsets.npy"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


def test_forces_and_energies_may_be_absent(tmp_path: Path) -> None:
    with packing(tmp_path / "out", BOHR) as writer:
        writer.add(some([2], forces=None, energies=None), "here")
    assert not (tmp_path / "out/F_pack.f32").exists()
    graph = fl.rows(PackedMolecules(tmp_path / "out")) >> fl.batch(1, layout="masked")
    with graph.iterate() as run:
        assert sorted(next(run)) == ["Qtot", "R", "Z", "mask"]


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        (
            {},
            {"forces": None},
            "some molecules have forces, some have none; .*found none; wanted forces, as",
        ),
        ({"energies": None}, {}, "some molecules have energies, some have none"),
    ],
)
def test_a_folder_has_the_same_arrays_for_all(
    tmp_path: Path, first: dict[str, Any], then: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        pack(tmp_path / "out", some([2], **first), some([2], **then))
    assert not (tmp_path / "out").exists()


CUBE = np.eye(3)[None] * 2.0


def test_cells_may_come_late(tmp_path: Path) -> None:
    with packing(tmp_path / "out", BOHR) as writer:
        writer.add(some([2, 3], forces=None), "here")
        writer.add(some([1], forces=None, cell=CUBE, pbc=np.array([[True, False, True]])), "there")
        writer.add(some([1], forces=None), "here")
    records = PackedMolecules(tmp_path / "out", pairs="none")
    with (fl.rows(records) >> fl.batch(4, layout="masked")).iterate() as run:
        batch = next(run)
    assert batch["pbc"].tolist() == [[False] * 3] * 2 + [[True, False, True]] + [[False] * 3]
    np.testing.assert_allclose(batch["cell"][2], np.eye(3) * 2 * 0.529177210544)
    assert not batch["cell"][[0, 1, 3]].any()
    assert (batch["cell"].dtype, batch["pbc"].dtype) == (np.float32, np.bool_)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"dipole": np.full((2, 3), np.nan)}, r"here, molecule 0: bad molecule; found dipole = \[nan"),
        ({"dipole": np.full((2, 3), 1e60)}, r"molecule 0: bad molecule; found dipole = \[inf"),
        ({"part": np.array([0, 0, 0, np.inf])}, "molecule 1, atom 0: bad molecule; found part = inf"),
        ({"spin": np.array([1, 1.5])}, "molecule 1: bad molecule; .* wanted numbers of the column's dtype"),
        ({"spin": np.array([1, 300])}, "molecule 1: bad molecule"),
        ({"dipole": np.zeros((2, 4))}, r"column 'dipole' of another shape; found \[2, 4\]; wanted \[2, 3\]"),
        ({"part": np.zeros(2)}, r"column 'part' of another shape; found \[2\]; wanted \[4\]"),
        (
            {"new": np.zeros(2)},
            "column 'new'; found columns dipole, spin, part, new; wanted dipole, spin, part",
        ),
    ],
)
def test_a_bad_column_is_named(tmp_path: Path, how: dict[str, Any], message: str) -> None:
    sizes = [3, 1]
    with pytest.raises(DataError, match=message):
        pack(tmp_path / "out", some(sizes, columns=columns(sizes) | how), declared=DECLARED)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'dipole'; found columns none; wanted dipole, spin, part"):
        pack(tmp_path / "out", some([1]), declared=DECLARED)


@pytest.mark.parametrize(
    ("cell", "pbc"),
    [
        (np.zeros((1, 3, 3)), [[True] * 3]),
        (np.full((1, 3, 3), np.nan), [[True] * 3]),
        (np.array([[[1, 0, 0], [2, 0, 0], [0, 0, 1]]]), [[True, True, False]]),
        (np.array([[[1, 0, 0], [0, 1, 0], [1, 1, 1e-9]]]), [[True] * 3]),
    ],
)
def test_a_flat_cell_is_a_bad_molecule(tmp_path: Path, cell: Any, pbc: Any) -> None:
    good = {"cell": CUBE, "pbc": np.array(pbc)}, {"cell": np.nan_to_num(cell), "pbc": np.zeros((1, 3), bool)}
    bad = some([1], cell=cell, pbc=np.array(pbc))
    with pytest.raises(DataError, match=r"found cell = .* wanted three lattice vectors with a volume"):
        pack(tmp_path / "out", bad)
    done = pack(tmp_path / "out", bad, *(some([1], **how) for how in good), skip=True)
    assert (done.molecules, done.skipped) == (2, 1)


def test_declarations_that_cannot_be(tmp_path: Path) -> None:
    def declared(**columns: Any) -> None:
        with packing(tmp_path / "out", OURS, columns=columns):
            pass

    with pytest.raises(GraphError, match=r"cells are given as Some\.cell"):
        declared(cell=Column(per="molecule", shape=(3, 3)))
    with pytest.raises(GraphError, match="another one differs in capital letters alone"):
        declared(dipole=DIPOLE, Dipole=DIPOLE)
    with pytest.raises(GraphError, match="wanted a Column"):
        declared(dipole=3)
    with pytest.raises(GraphError, match="molecules with a cell have pbc, too"):
        pack(tmp_path / "out", some([1], cell=CUBE))
    with pytest.raises(GraphError, match="forces without a unit"):
        pack(tmp_path / "out", some([1]), units=BOHR)
    with packing(tmp_path / "out", OURS) as writer:
        writer.add(some([1]), "here")
        with pytest.raises(GraphError, match="before the first molecule"):
            writer.declare({"spin": SPIN})
