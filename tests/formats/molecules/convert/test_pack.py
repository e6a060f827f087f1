"""Packing other people's files: what comes out is what went in, in kcal/mol and Å; or nothing comes out."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import DataError, NoDataError
from flowload.formats.molecules.convert.pack import Packed, pack_molecules
from flowload.formats.molecules.files import Pack, open_pack
from tests.formats.molecules import packs as naive
from tests.formats.molecules.convert.padded import OURS, padded, save


def check_pack(pack: Pack, arrays: naive.Content) -> None:
    """A folder holds these, exactly."""
    np.testing.assert_array_equal(pack.offsets, arrays["offsets.npy"])
    np.testing.assert_array_equal(pack.numbers, arrays["Z_pack.int32"])
    np.testing.assert_array_equal(pack.places, arrays["R_pack.f32"].ravel())
    np.testing.assert_array_equal(pack.forces, arrays["F_pack.f32"].ravel())
    np.testing.assert_array_equal(pack.energies, arrays["E.f64"])
    np.testing.assert_array_equal(pack.charges, arrays["Qtot.f64"])


@pytest.mark.slow
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=9),
    spare=st.integers(0, 2),
    compressed=st.booleans(),
    columns=st.booleans(),
)
def test_padded_molecules(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], spare: int, compressed: bool, columns: bool
) -> None:
    folder = tmp_path_factory.mktemp("npz")
    arrays = naive.content(sizes)
    archive = {
        key: array.astype(np.float64) if key in "RF" else array
        for key, array in padded(arrays, spare).items()
    }
    if columns:
        archive.update({key: archive[key].reshape(-1, 1) for key in "EN"})
    archive["R"][np.arange(archive["R"].shape[1]) >= np.array(sizes)[:, None]] = (
        np.nan
    )  # where there is no atom
    archive["name"] = np.array(["what nobody asks for"])
    save(folder / "set.npz", archive, compressed=compressed)
    told: list[tuple[int, int]] = []
    done = pack_molecules(folder / "set.npz", folder / "out", OURS, tell=lambda *so_far: told.append(so_far))
    assert done == Packed(len(sizes), 0)
    assert told == [(len(sizes), len(sizes))]
    check_pack(open_pack(folder / "out"), arrays)
    assert sorted(file.name for file in folder.iterdir()) == ["out", "set.npz"]


def test_many_molecules_come_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.formats.molecules.convert.npz.ROWS", 7)
    arrays = naive.content([1, 2, 3] * 10)
    save(tmp_path / "set.npz", {key: array for key, array in padded(arrays).items() if key != "Qtot"})
    pack_molecules(tmp_path / "set.npz", tmp_path / "out", OURS)
    arrays["Qtot.f64"][:] = 0
    check_pack(open_pack(tmp_path / "out"), arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"F": None}, r"set.npz: arrays are missing; found E, N, Qtot, R, Z; wanted F"),
        (
            {"Z": np.zeros(4, np.int32)},
            r"set.npz, Z.npy: array of another kind; found \[4\]; wanted \[N, A\]",
        ),
        (
            {"R": np.zeros((4, 3, 2))},
            r"set.npz, R.npy: arrays do not fit; found \[4, 3, 2\]; wanted \[4, 3, 3\]",
        ),
        ({"E": np.zeros(3)}, r"set.npz, E.npy: arrays do not fit; found \[3\]; wanted \[4\]"),
        ({"N": np.array([3, 0, 2, 1])}, r"set.npz, molecule 1: bad size; found N = 0; wanted 1 to 3"),
        ({"N": np.array([3, 1, 4, 1])}, r"set.npz, molecule 2: bad size; found N = 4"),
        ({"E": np.array(["a"] * 4)}, r"set.npz, E.npy: array of another kind; found <U1\[4\]"),
        ({"E": np.array([None] * 4)}, r"set.npz, E.npy: array of another kind; found object"),
        (
            {"R": np.asfortranarray(np.ones((4, 3, 3)))},
            r"set.npz, R.npy: array of another kind; .* in columns",
        ),
        (
            {"E": np.array([0, np.nan, 0, 0])},
            r"set.npz, molecule 1: bad molecule; found E = nan; wanted finite",
        ),
        (
            {"Z": np.zeros((4, 3), np.int32)},
            r"molecule 0, atom 0: bad molecule; found Z = 0; wanted an atomic n",
        ),
        ({"F": np.full((4, 3, 3), 1e300)}, r"molecule 0, atom 0: bad molecule; found F = \[inf inf inf\]"),
    ],
)
def test_bad_archives(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    archive = {**padded(naive.content([3, 1, 2, 1])), **change}
    save(tmp_path / "set.npz", {key: array for key, array in archive.items() if array is not None})
    with pytest.raises(DataError, match=message):
        pack_molecules(tmp_path / "set.npz", tmp_path / "out", OURS)
    assert [file.name for file in tmp_path.iterdir()] == ["set.npz"]


def test_bad_molecules_may_be_left_out(tmp_path: Path) -> None:
    arrays = naive.content([2, 3, 1, 2])
    archive = padded(arrays)
    archive["F"][1, 2, 0] = np.nan
    archive["Z"][2, 0] = 119
    save(tmp_path / "set.npz", archive)
    assert pack_molecules(tmp_path / "set.npz", tmp_path / "out", OURS, skip_bad=True) == Packed(2, 2)
    pack = open_pack(tmp_path / "out")
    assert pack.energies.tolist() == arrays["E.f64"][[0, 3]].tolist()
    assert pack.numbers.tolist() == arrays["Z_pack.int32"][[0, 1, 6, 7]].tolist()
    archive["E"][:] = np.inf
    save(tmp_path / "none.npz", archive)
    with pytest.raises(NoDataError, match="other: no molecules to pack; found 4, all of them bad"):
        pack_molecules(tmp_path / "none.npz", tmp_path / "other", OURS, skip_bad=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["none.npz", "out", "set.npz"]


def test_damaged_archives(tmp_path: Path) -> None:
    save(tmp_path / "set.npz", padded(naive.content([3] * 200)))
    whole = (tmp_path / "set.npz").read_bytes()
    broken = bytearray(whole)
    broken[2000] ^= 255
    for data in (whole[:-30], whole[:100], b"", b"text", bytes(broken)):
        (tmp_path / "set.npz").write_bytes(data)
        with pytest.raises(DataError, match=r"set.npz.*: bad .np[zy]"):
            pack_molecules(tmp_path / "set.npz", tmp_path / "out", OURS)
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        for key in "ZRFEN":
            archive.writestr(f"{key}.npy", b"no header")
    with pytest.raises(DataError, match=r"set.npz, Z.npy: bad .npy header"):
        pack_molecules(tmp_path / "set.npz", tmp_path / "out", OURS)
