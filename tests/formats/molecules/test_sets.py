"""Several folders as one: the molecules of each, what one lacks masked, and weights kept in every pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.record_powers import Budgeted, Bulk, Cutting, Grouped, Guarded, Screened, Sized, Weighted
from flowload.formats.molecules import MoleculeSets, PackedMolecules, Rotated
from flowload.formats.molecules.set_batches import SetBatches
from flowload.testing import check_records, check_resume
from tests.formats.molecules import packs as naive
from tests.formats.molecules.folders import folder
from tests.formats.molecules.test_packed import batches_of, check


def test_they_keep_the_agreements(tmp_path: Path) -> None:
    sets = MoleculeSets([folder(tmp_path / "a", [3, 1]), folder(tmp_path / "b", [2, 5, 1], 100)])
    table = sets.open()
    for power in (Sized, Grouped, Guarded, Screened, Budgeted, Weighted, Bulk, Cutting):
        assert isinstance(table, power)
    assert len(sets) == len(table) == 5
    assert table.sizes(np.array([4, 0, 2, 3, 1])).tolist() == [1, 3, 2, 5, 1]
    assert table.describe(3) == f"{tmp_path / 'b'}, molecule 1"
    table.close()


@pytest.mark.parametrize("layout", ["physnet", "masked"])
@pytest.mark.parametrize("pairs", ["none", "molecule", "batch", "real"])
def test_batches_are_those_of_one_folder_with_all(tmp_path: Path, layout: str, pairs: Any) -> None:
    one, two = [3, 1, 4, 2], [2, 6, 1]
    parts = [naive.content(one, 1), naive.content(two, 2)]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0] if key != "offsets.npy"}
    joined["offsets.npy"] = np.concatenate([[0], np.cumsum(one + two)])
    paths = [naive.write(tmp_path / str(k), part) for k, part in enumerate([*parts, joined])]
    for slots in (None, 6, (2, 6)):
        records = [PackedMolecules(path, slots, pairs) for path in paths]
        found, wanted = (
            batches_of(fl.rows(each) >> fl.shuffle() >> fl.batch(3, layout=layout))
            for each in (MoleculeSets(records[:2]), records[2])
        )
        for batch, other in zip(found, wanted, strict=True):
            check(batch, other)


@pytest.mark.parametrize("how", [{"size": 4}, {"atoms": 24}])
@pytest.mark.parametrize("slots", [None, 6, (2, 6)])
def test_many_batches_are_one_call_and_are_those_of_each_molecule_alone(
    tmp_path: Path, how: dict[str, Any], slots: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [[3, 1, 4, 2, 6, 1, 2] * 9, [2, 6, 1, 5] * 9]
    tables = [
        folder(tmp_path / "a", sizes[0], dipole=True, num_atoms=slots),
        folder(tmp_path / "b", sizes[1], 1000, still=True, num_atoms=slots),
    ]
    sets = MoleculeSets(tables)
    wrote: list[str] = []

    def counted(name: str) -> Any:
        inner = getattr(SetBatches, name)

        def count(self: Any, *args: Any) -> Any:
            wrote.append(name)
            return inner(self, *args)

        return count

    for name in ("write", "write_many", "write_cut"):
        monkeypatch.setattr(SetBatches, name, counted(name))
    found = batches_of(fl.rows(sets) >> fl.shuffle() >> fl.batch(layout="masked", **how))
    assert len(wrote) < len(found) / 3
    assert wrote.count("write") <= 1  # what is left at the end
    alone = {
        float(batch["E"][0]): batch
        for each in tables
        for batch in batches_of(fl.rows(each) >> fl.batch(1, layout="masked"))
    }
    assert sum(len(batch["E"]) for batch in found) == sum(map(len, sizes))
    # Those of the second folder have no forces, and those of the first a dipole.
    for batch in found:
        for row, energy in enumerate(batch["E"].tolist()):
            one = alone[energy]
            real = int(one["mask"][0].sum())
            for key in ("Z", "R", "mask"):
                np.testing.assert_array_equal(batch[key][row][:real], one[key][0][:real])
                assert not batch[key][row][real:].any()
            assert batch["F_mask"][row] == ("F" in one)
            assert batch["dipole_mask"][row] == ("dipole" in one)
            for key in ("F", "dipole"):
                if key in one:
                    wide = real if key == "F" else 3
                    np.testing.assert_array_equal(batch[key][row][:wide], one[key][0][:wide])
                else:
                    assert not batch[key][row].any()


def test_what_a_folder_lacks_is_masked(tmp_path: Path) -> None:
    sets = MoleculeSets(
        [
            folder(tmp_path / "a", [3, 1, 2], dipole=True, num_atoms=3),
            folder(tmp_path / "b", [2, 1], 100, still=True, num_atoms=3),
            folder(tmp_path / "c", [2], 200, num_atoms=3),
        ]
    )
    order = [5, 0, 3, 2, 4, 1]
    assert set(sets.fields("masked")) == {
        "Z",
        "R",
        "F",
        "E",
        "Qtot",
        "mask",
        "dipole",
        "F_mask",
        "dipole_mask",
    }
    (batch,) = batches_of(fl.rows(sets, indices=order) >> fl.batch(9, layout="masked"))
    assert batch["E"].tolist() == [200, 0, 100, 2, 101, 1]
    assert batch["F_mask"].tolist() == [True, True, False, True, False, True]
    assert batch["dipole_mask"].tolist() == [False, True, False, True, False, True]
    assert batch["dipole"].tolist() == [[0] * 3, [0, 1, 2], [0] * 3, [6, 7, 8], [0] * 3, [3, 4, 5]]
    assert not batch["F"][~batch["F_mask"]].any()
    assert batch["F"][batch["F_mask"]].any(axis=(1, 2)).all()
    (alone,) = batches_of(fl.rows(sets, indices=[4, 3]) >> fl.batch(9, layout="masked"))
    assert alone.keys() == batch.keys()
    assert not any(alone[key].any() for key in ("F", "F_mask", "dipole", "dipole_mask"))


def test_sets_are_turned_with_their_columns(tmp_path: Path) -> None:
    parts = [folder(tmp_path / "a", [3, 1], dipole=True), folder(tmp_path / "b", [2], 100, still=True)]
    sets = MoleculeSets(parts)
    assert sets.columns == parts[0].columns
    assert sets.sizes().tolist() == [3, 1, 2]
    plain = fl.rows(sets) >> fl.batch(3, layout="masked")
    (straight,) = batches_of(plain)
    (turned,) = batches_of(plain >> fl.map(Rotated(sets.columns), random=True))
    for key in ("dipole", "F", "R"):
        one, other = (np.linalg.norm(batch[key], axis=-1) for batch in (straight, turned))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
        assert np.abs(straight[key] - turned[key]).max() > 0.1
    assert turned["F_mask"].tolist() == [True, True, False]


@pytest.mark.slow
def test_the_exam(tmp_path: Path) -> None:
    parts = [
        folder(tmp_path / "a", [3, 1, 2] * 5, dipole=True, num_atoms=(2, 3), pairs="real", edges=400),
        folder(tmp_path / "b", [2, 1] * 5, 100, still=True, num_atoms=(2, 3), pairs="real", edges=400),
    ]
    for weights in (None, (1, 2)):
        assert check_records(MoleculeSets(parts, weights)) > 0
        assert check_resume(fl.rows(MoleculeSets(parts, weights)) >> fl.shuffle() >> fl.batch(4)) > 4
