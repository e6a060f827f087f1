from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError, NoLength
from flowload.formats.molecules import MoleculeSets, PackedMolecules
from flowload.formats.molecules.set_table import shares
from flowload.testing import check_records
from tests.formats.molecules import packs as naive
from tests.formats.molecules.folders import DIPOLE, folder
from tests.formats.molecules.test_packed import batches_of


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=5), st.integers(0, 1000))
def test_shares_are_whole_and_all(weights: list[float], total: int) -> None:
    found = shares(weights, total)
    assert sum(found) == total
    for part, weight in zip(found, weights, strict=True):
        assert abs(part - total * weight / sum(weights)) < 1 + 1e-6


def test_every_pass_keeps_the_weights(tmp_path: Path) -> None:
    sets = MoleculeSets(
        [folder(tmp_path / "a", [1] * 30), folder(tmp_path / "b", [2] * 90, 1000)], weights=(3, 1)
    )
    graph = fl.rows(sets) >> fl.shuffle() >> fl.batch(12)
    passes = []
    with graph.iterate(epochs=2) as batches:
        numbers = np.concatenate([batch["E"].copy() for batch in batches])
    for one in numbers.reshape(2, 120):
        own = Counter(one[one < 1000].tolist())
        assert own == dict.fromkeys(range(30), 3)  # 90 of the 120, each as often
        other = Counter(one[one >= 1000].tolist())
        assert sorted(other.values()) == [1] * 30  # some of them, none twice
        passes.append(set(other))
    assert passes[0] != passes[1]
    again = np.concatenate([b["E"] for b in batches_of(graph, first_epoch=1)])
    assert again.tolist() == numbers[120:].tolist()  # the number of the pass decides
    assert batches_of(graph, seed=1)[0]["E"].tolist() != numbers[:12].tolist()
    assert len(graph) == 10


def test_ranks_and_splits_of_weighted_sets(tmp_path: Path) -> None:
    sets = MoleculeSets(
        [folder(tmp_path / "a", [1] * 30), folder(tmp_path / "b", [2] * 90, 1000)], weights=(1, 1)
    )
    seen = [
        np.concatenate(
            [b["E"] for b in batches_of(fl.rows(sets) >> fl.shuffle() >> fl.shard(k, 2) >> fl.batch(8))]
        )
        for k in (0, 1)
    ]
    assert [len(each) for each in seen] == [60, 60]
    assert (np.concatenate(seen) < 1000).sum() == 60
    parts = fl.rows(sets) >> fl.split(by="set", a=0.5, b=0.5)
    with pytest.raises(NoLength, match="which rows come to it shows only when it runs"):
        len(parts.drop("b") >> fl.batch(8))


def test_a_folder_without_rows_has_no_weight(tmp_path: Path) -> None:
    sets = MoleculeSets([folder(tmp_path / "a", [1]), folder(tmp_path / "b", [2])], weights=(1, 1))
    with pytest.raises(NoDataError, match="MoleculeSets: weights: no molecules; found 0 rows"):
        batches_of(fl.rows(sets, indices=[0]) >> fl.batch(2))


def test_a_molecule_in_two_folders_is_on_one_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    made = naive.content([3] * 200)
    made["Z_pack.int32"] = np.repeat(np.arange(200) % 50 + 1, 3).astype(np.int32)
    paths = []
    for k in (0, 1):
        groups = rng.permutation(200).astype(np.int32)  # each folder names molecules for itself
        paths.append(naive.write(tmp_path / str(k), {**made, "groups.npy": groups}))
    sets = MoleculeSets([PackedMolecules(path) for path in paths])
    for by in ("molecule", "formula", "composition"):
        parts = fl.rows(sets) >> fl.split(by=by, train=0.5, valid=0.5)
        sides = [
            {int(z) for b in batches_of(parts.drop(other) >> fl.batch(50)) for z in b["Z"][:, 0]}
            for other in ("train", "valid")
        ]
        assert min(map(len, sides)) > 0
        assert not sides[0] & sides[1]
    parts = fl.rows(sets) >> fl.split(by="set", train=0.5, valid=0.5)
    assert (
        sum(len(b["E"]) for name in ("train", "valid") for b in batches_of(parts.drop(name) >> fl.batch(50)))
        == 400
    )


def test_isomers_stay_together_by_formula(tmp_path: Path) -> None:
    arrays = naive.content([3] * 60)
    arrays["Z_pack.int32"] = np.repeat(np.arange(60) % 20 + 1, 3).astype(np.int32)
    path = naive.write(tmp_path, {**arrays, "groups.npy": np.arange(60, dtype=np.int32)})
    table = PackedMolecules(path).open()
    rows = np.arange(60)
    assert len(set(table.group("molecule", rows).tolist())) == 60
    assert len(set(table.group("formula", rows).tolist())) == 20
    table.close()


def test_length_sizes_and_columns_without_a_run(tmp_path: Path) -> None:
    molecules = folder(tmp_path / "a", [3, 1, 2], 5, dipole=True)
    arrays = naive.content([3, 1, 2], seed=5)
    assert len(molecules) == 3
    assert molecules.sizes().tolist() == [3, 1, 2]
    assert list(molecules.columns) == ["dipole"]
    assert molecules.column("E").tolist() == [5, 6, 7]
    assert molecules.column("dipole").tolist() == np.arange(9.0).reshape(3, 3).tolist()
    for name, file in (("Z", "Z_pack.int32"), ("R", "R_pack.f32"), ("F", "F_pack.f32"), ("Qtot", "Qtot.f64")):
        assert molecules.column(name).tolist() == arrays[file].tolist()
    with pytest.raises(GraphError, match=r"there is no 'charge'; .* has Z, R, F, E, Qtot, dipole"):
        molecules.column("charge")
    with pytest.raises(NoDataError, match="no folder of packed molecules"):
        len(PackedMolecules(tmp_path / "b"))
    still = folder(tmp_path / "c", [2], still=True)
    with pytest.raises(GraphError, match="there is no 'F'"):
        still.column("F")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"sets": []}, "wanted PackedMolecules, one or more"),
        ({"sets": ["a"]}, "sets are \\('a',\\); wanted PackedMolecules"),
        ({"sets": [PackedMolecules("a", 5), PackedMolecules("b", 6)]}, "num_atoms is 5 for a and 6 for b"),
        ({"sets": [PackedMolecules("a"), PackedMolecules("b", pairs="none")]}, "pairs is None for a"),
        ({"sets": [PackedMolecules("a")], "weights": (1, 2)}, "wanted 1 numbers above 0"),
        ({"sets": [PackedMolecules("a")], "weights": (0,)}, "weights are \\(0,\\)"),
        ({"sets": [PackedMolecules("a")], "weights": (True,)}, "weights are"),
        ({"sets": [PackedMolecules("a")], "weights": (float("inf"),)}, "weights are"),
    ],
)
def test_bad_parameters_are_named(how: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        MoleculeSets(**how)


@pytest.mark.parametrize("other", [{"dtype": "float64"}, {"unit": "debye"}, {"kind": None}, {"shape": [6]}])
def test_columns_that_do_not_go_together(tmp_path: Path, other: dict[str, Any]) -> None:
    one = folder(tmp_path / "a", [3, 1], dipole=True)
    two = folder(tmp_path / "b", [3, 1], dipole=True)
    column = {**DIPOLE, **other} if other != {"shape": [6]} else {**DIPOLE, **other, "kind": None}
    (tmp_path / "b" / "meta.json").write_text(json.dumps({"columns": {"dipole": column}}))
    size = 2 * column["shape"][0] * np.dtype(column["dtype"]).itemsize
    (tmp_path / "b" / f"dipole.f{8 * np.dtype(column['dtype']).itemsize}").write_bytes(bytes(size))
    with pytest.raises(DataError, match=r"b, column 'dipole': folders that do not go together; found Column"):
        batches_of(fl.rows(MoleculeSets([one, two])) >> fl.batch(2))
    apart = MoleculeSets([one, PackedMolecules(tmp_path / "b", select=("E",))])
    (batch,) = batches_of(fl.rows(apart) >> fl.batch(4))
    assert batch["dipole_mask"].tolist() == [True, True, False, False]


def test_a_mask_that_is_a_column_itself(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "a", [3, 1], dipole=True), folder(tmp_path / "b", [3, 1])
    columns = {"dipole": DIPOLE, "dipole_mask": {**DIPOLE, "shape": [], "kind": "scalar"}}
    (tmp_path / "a" / "meta.json").write_text(json.dumps({"columns": columns}))
    (tmp_path / "a" / "dipole_mask.f32").write_bytes(bytes(8))
    with pytest.raises(GraphError, match="its mask dipole_mask is an array itself"):
        batches_of(fl.rows(MoleculeSets([one, two])) >> fl.batch(2))


def test_bad_molecules_of_any_folder_are_named(tmp_path: Path) -> None:
    one, two = folder(tmp_path / "a", [3, 1]), folder(tmp_path / "b", [2, 5, 1], 100)
    energies = np.array([100, np.nan, 102])
    (tmp_path / "b" / "E.f64").write_bytes(energies.tobytes())
    graph = fl.rows(MoleculeSets([one, two]))
    with pytest.raises(DataError, match=r"E\.f64, molecule 1, byte 8: not finite"):
        batches_of(graph >> fl.batch(2))
    found = batches_of(graph >> fl.batch(2, on_error="skip"))
    assert [batch["E"].tolist() for batch in found] == [[0, 1], [100, 102]]


def test_a_crystal_among_molecules_keeps_its_boundary(tmp_path: Path) -> None:
    one = folder(tmp_path / "a", [2, 1], num_atoms=2, pairs="real", cutoff=1.1)
    arrays = naive.content([1, 1], seed=4)
    columns = {
        "cell": {"per": "molecule", "shape": [3, 3], "dtype": "float32", "unit": "angstrom", "kind": None},
        "pbc": {"per": "molecule", "shape": [3], "dtype": "bool", "unit": None, "kind": None},
    }
    cells = np.tile(np.eye(3, dtype=np.float32), (2, 1, 1))
    pbc = np.array([[True, True, True], [True, False, False]])
    path = naive.write(tmp_path / "b", {**arrays, "cell.f32": cells, "pbc.bool": pbc})
    (path / "meta.json").write_text(json.dumps({"columns": columns}))
    two = PackedMolecules(path, num_atoms=2, pairs="real", cutoff=1.1)
    sets = MoleculeSets([one, two])
    (both,) = batches_of(fl.rows(sets, indices=[2, 0, 3]) >> fl.batch(3))
    assert both["cell_mask"].tolist() == [True, False, True]
    of = both["dst_idx"] // 2
    assert np.bincount(of, minlength=3).tolist()[0::2] == [6, 2]  # images along three axes, and along one
    (alone,) = batches_of(fl.rows(two) >> fl.batch(2))
    for molecule, other in ((0, 0), (2, 1)):
        own, wanted = of == molecule, alone["dst_idx"] // 2 == other
        assert both["shifts"][own].tolist() == alone["shifts"][wanted].tolist()
    assert check_records(sets) > 0
    (graph,) = batches_of(fl.rows(sets) >> fl.batch(edges=20))
    assert len(graph["E"]) == 4
