from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import flowload as fl
from flowload.errors import DataError, GraphError
from flowload.formats.molecules.packed import PackedMolecules
from tests.formats.molecules import packs as naive


def run(path: Path, **how: Any) -> tuple[list[float], dict[str, int]]:
    """Energies of what comes, and what was dropped."""
    on_error = how.pop("on_error", "raise")
    with (fl.rows(PackedMolecules(path, **how)) >> fl.batch(4, on_error=on_error)).iterate() as batches:
        energies = [float(energy) for batch in batches for energy in batch["E"]]
        stages = batches.stats().stages
        return energies, {**stages["rows"].dropped, **stages["batch"].dropped}


def test_a_molecule_larger_than_num_atoms_is_named_or_dropped(tmp_path: Path) -> None:
    arrays = naive.content([2, 5, 3, 6, 1])
    path = naive.write(tmp_path, arrays)
    with pytest.raises(DataError, match=r"molecule 1: too large; found 5 atoms; wanted at most num_atoms=4"):
        run(path, num_atoms=4)
    energies, dropped = run(path, num_atoms=4, too_large="drop")
    assert energies == arrays["E.f64"][[0, 2, 4]].tolist()
    assert dropped == {"too large": 2}
    energies, dropped = run(path, num_atoms=4, on_error="skip")
    assert energies == arrays["E.f64"][[0, 2, 4]].tolist()
    assert dropped == {"too large": 2}
    assert run(path, num_atoms=1, too_large="drop") == ([arrays["E.f64"][4]], {"too large": 4})


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("R_pack.f32", (7, 1), np.nan, "R_pack.f32, molecule 2, atom 2, byte 88: not finite; found y = nan"),
        ("R_pack.f32", (5, 0), np.inf, "R_pack.f32, molecule 2, atom 0, byte 60: not finite; found x = inf"),
        (
            "F_pack.f32",
            (6, 2),
            -np.inf,
            "F_pack.f32, molecule 2, atom 1, byte 80: not finite; found z = -inf",
        ),
        ("E.f64", 2, np.nan, "E.f64, molecule 2, byte 16: not finite; found nan"),
        ("Qtot.f64", 2, np.inf, "Qtot.f64, molecule 2, byte 16: not finite; found inf"),
        (
            "Z_pack.int32",
            6,
            0,
            "Z_pack.int32, molecule 2, atom 1, byte 24: no element; found 0; wanted an at",
        ),
        ("Z_pack.int32", 7, 119, "Z_pack.int32, molecule 2, atom 2, byte 28: no element; found 119"),
    ],
)
def test_what_no_training_step_may_see(
    tmp_path: Path, name: str, place: Any, value: float, message: str
) -> None:
    arrays = naive.content([2, 3, 3, 1])
    arrays[name][place] = value
    path = naive.write(tmp_path, arrays)
    with pytest.raises(DataError, match=message):
        run(path)
    energies, dropped = run(path, on_error="skip")
    assert energies == np.delete(arrays["E.f64"], 2).tolist()
    assert sum(dropped.values()) == 1


@pytest.mark.parametrize("part", [1, 2, 100])
def test_all_values_may_be_checked_on_opening(
    tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowload.formats.molecules.table.PART", part)
    arrays = naive.content([2, 3, 3, 1])
    assert len(PackedMolecules(naive.write(tmp_path / "good", arrays), check_values=True).open()) == 4
    arrays["F_pack.f32"][7, 1] = np.nan
    path = naive.write(tmp_path / "bad", arrays)
    with pytest.raises(
        DataError, match=r"F_pack.f32, molecule 2, atom 2, byte 88: not finite; found y = nan"
    ):
        PackedMolecules(path, check_values=True).open()
    with pytest.raises(DataError, match="molecule 1: too large"):
        PackedMolecules(path, 2, check_values=True).open()
    with pytest.raises(DataError, match=r"F_pack.f32, molecule 2"):
        PackedMolecules(path, 2, too_large="drop", check_values=True).open()


def test_memory_of_pair_indices_is_told_before_a_run(tmp_path: Path) -> None:
    path = naive.write(tmp_path, naive.content([6] * 64))
    kinds: list[Any] = [None, "batch", "real"]
    told = {
        pairs: (fl.rows(PackedMolecules(path, 10, pairs)) >> fl.batch(16)).memory(cpus=1)["batch"]
        for pairs in kinds
    }
    assert told[None] == told["batch"]
    pairs_of_one = 16 * 10 * 9 * 8
    assert told["real"] - told["batch"] >= 6 * pairs_of_one  # one batch at work, five on their way


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": 7}, "path is 7; wanted a folder"),
        ({"num_atoms": 0}, "num_atoms is 0; wanted a number from 1, several of them, or None"),
        ({"num_atoms": True}, "num_atoms is True"),
        ({"num_atoms": 2.0}, "num_atoms is 2.0"),
        ({"pairs": "all"}, "pairs is 'all'; wanted one of 'none', 'molecule', 'batch', 'real'"),
        ({"cutoff": 5.0}, "cutoff is for pairs='real'; here pairs='molecule'"),
        ({"cutoff": 5.0, "pairs": "batch"}, "cutoff is for pairs='real'"),
        ({"cutoff": 0, "pairs": "real"}, "cutoff is 0; wanted a distance"),
        ({"cutoff": float("inf"), "pairs": "real"}, "cutoff is inf"),
        ({"cutoff": "5", "pairs": "real"}, "cutoff is '5'"),
        ({"check_values": "yes"}, "check_values is 'yes'; wanted True or False"),
        ({"too_large": "skip"}, "too_large is 'skip'; wanted 'raise' or 'drop'"),
    ],
)
def test_bad_parameters_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        PackedMolecules(**{"path": "set", **arguments})


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["physnet", "masked"])
@pytest.mark.parametrize("num_atoms", [None, 87])
def test_real_molecules_are_all_there(shared_molecules: Path, layout: str, num_atoms: int | None) -> None:
    folder = shared_molecules / "mixed_mit"
    offsets, lengths = np.load(folder / "offsets.npy"), np.load(folder / "n_atoms.npy")
    packs = {
        key: np.fromfile(folder / name, dtype).reshape(len(range(offsets[-1])), -1)
        for key, name, dtype in (
            ("R", "R_pack.f32", "f4"),
            ("F", "F_pack.f32", "f4"),
            ("Z", "Z_pack.int32", "i4"),
        )
    }
    energies = np.fromfile(folder / "E.f64", "f8")
    order = Order(energies)
    graph = fl.rows(PackedMolecules(folder, num_atoms)) >> fl.shuffle() >> fl.batch(100, layout=layout)
    with graph.iterate(seed=1) as batches:
        for batch in batches:
            for place, row in enumerate(order.rows(batch, lengths)):
                count = lengths[row]
                for key, pack in packs.items():
                    found = batch[key][place].reshape(len(batch[key][place]), -1)
                    np.testing.assert_array_equal(found[:count], pack[offsets[row] : offsets[row + 1]])
                    assert not found[count:].any()
    assert order.seen == len(lengths) == 6948


class Order:
    """Which row a molecule of a batch is: its energy says so, and its size, but for exact duplicates."""

    def __init__(self, energies: NDArray[np.float64]) -> None:
        self.rows_of: dict[float, list[int]] = {}
        for row, energy in enumerate(energies.tolist()):
            self.rows_of.setdefault(energy, []).append(row)
        self.seen = 0

    def rows(self, batch: dict[str, NDArray[Any]], lengths: NDArray[np.int32]) -> Sequence[int]:
        counts = batch["mask"].sum(axis=1) if "mask" in batch else batch["N"]
        found = []
        for energy, count in zip(batch["E"].tolist(), counts.tolist(), strict=True):
            row = next(row for row in self.rows_of[energy] if lengths[row] == count)
            self.rows_of[energy].remove(row)
            found.append(row)
        self.seen += len(found)
        return found
