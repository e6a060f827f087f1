"""HDF5 in the manner of ANI: its layouts, its links, and data that are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from flowload.errors import DataError
from tests.formats.molecules.convert.ani_files import change
from tests.formats.molecules.convert.sources import converted, write_ani


def unwritten(file: Any) -> None:
    del file["OH/energies"]
    file["OH"].create_dataset("energies", (1,), "<f8")


def holes(file: Any) -> None:
    for key, shape in (("energies", (4,)), ("forces", (4, 2, 3)), ("coordinates", (4, 2, 3))):
        del file["OH"][key]
        file["OH"].create_dataset(key, shape, "<f8", chunks=(1, *shape[1:]))[:3] = 1.0


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((1,), "<f8")
    layout[:] = h5py.VirtualSource("gone.h5", "x", (1,))
    del file["OH/energies"]
    file["OH"].create_virtual_dataset("energies", layout)


def outside(file: Any) -> None:
    del file["OH/energies"]
    file["OH"].create_dataset("energies", (1,), "<f8", external=[("gone.raw", 0, 8)])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (unwritten, "OH/energies: data that were never written"),
        (holes, r"OH/(energies|forces|coordinates): chunks that were never written; found 3; wanted 4"),
        (virtual, "OH/energies: data that lie in other files"),
        (outside, "OH/energies: data that lie in other files"),
    ],
)
def test_data_that_are_not_there_are_no_zeros(
    tmp_path: Path, how: Callable[[Any], None], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        converted(change(write_ani(tmp_path), how))


def test_indices_of_kinds_are_no_atomic_numbers(tmp_path: Path) -> None:
    def indices(file: Any) -> None:
        file.copy("OH", "HO")
        del file["HO/species"]
        file["HO/species"] = [3, 0]

    path = change(write_ani(tmp_path), indices)
    with pytest.raises(DataError, match="HO: no element; found 0; wanted atomic numbers from 1, rather than"):
        converted(path)
    with pytest.raises(DataError, match="HO: no element"):  # the whole set is meant otherwise
        converted(path, skip_bad=True)


def test_isotopes_in_hdf5(tmp_path: Path) -> None:
    def isotope(file: Any) -> None:
        del file["OH/species"]
        file["OH/species"] = [b"O", b"D "]

    with pytest.raises(DataError, match="OH: isotope; found 'D'"):
        converted(change(write_ani(tmp_path), isotope))


def test_fractional_numbers_in_hdf5(tmp_path: Path) -> None:
    def fractional(file: Any) -> None:
        del file["OH/species"]
        file["OH/atomic_numbers"] = [8.0, 1.5]

    with pytest.raises(DataError, match=r"atom 1: bad molecule; found Z = 1.5"):
        converted(change(write_ani(tmp_path), fractional))


def test_groups_of_all_molecules_of_as_many_atoms(tmp_path: Path) -> None:
    """ANI-2x: species (n, atoms); what is one molecule there is not known by its group."""

    def regroup(file: Any) -> None:
        del file["OH"]
        rng = np.random.default_rng(0)
        for name, species in (("002", [[8, 1], [6, 1], [7, 1]]), ("003", [[8, 1, 1], [6, 2, 1]])):
            count, atoms = np.shape(species)
            for key in ("coordinates", "forces"):
                file[f"{name}/{key}"] = rng.normal(size=(count, atoms, 3))
            file[f"{name}/energies"] = np.arange(float(count))
            file[f"{name}/species"] = species

    path = change(write_ani(tmp_path), regroup)
    done, pack = converted(path)
    assert pack.numbers.tolist() == [8, 1, 6, 1, 7, 1, 8, 1, 1, 6, 2, 1]
    assert pack.energies.tolist() == [0, 1, 2, 0, 1]
    assert pack.groups is None
    with h5py.File(path) as file:
        wanted = np.concatenate([file[f"{name}/coordinates"][:].reshape(-1) for name in ("002", "003")])
    np.testing.assert_array_equal(pack.places, wanted.astype(np.float32))
    assert done.molecules == 5


@pytest.mark.parametrize("species", [[8, 1], [[8], [1]], [[8, 1]], [b"O", b"H"], ["O ", "H"]])
def test_one_molecule_a_group_in_every_shape(tmp_path: Path, species: Any) -> None:
    def again(file: Any) -> None:
        del file["OH/species"]
        file["OH"].create_dataset(
            "species", data=species, dtype=h5py.string_dtype() if species[0] == "O " else None
        )

    _, pack = converted(change(write_ani(tmp_path), again))
    assert pack.numbers.tolist() == [8, 1]
    assert pack.groups is not None
    assert pack.groups.tolist() == [0]


def test_a_large_group_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.formats.molecules.convert.ani.NBYTES", 2 * 8 * 2 * 8)
    rng = np.random.default_rng(1)
    places, species = rng.normal(size=(5, 2, 3)), rng.integers(1, 9, (5, 2))

    def enlarge(file: Any) -> None:
        for key, array in (
            ("coordinates", places),
            ("forces", places),
            ("energies", np.arange(5.0)),
            ("species", species),
        ):
            del file["OH"][key]
            file["OH"][key] = array
        file["OH/charge"] = [[-1], [0], [1], [2], [3]]
        file.attrs["what"] = "nobody asks for"

    _, pack = converted(change(write_ani(tmp_path), enlarge))
    np.testing.assert_array_equal(pack.places, places.reshape(-1).astype(np.float32))
    assert pack.numbers.tolist() == species.reshape(-1).tolist()
    assert pack.charges.tolist() == [-1, 0, 1, 2, 3]


@pytest.mark.parametrize("key", ["conformations", "positions"])
def test_other_names_of_positions_and_of_elements(tmp_path: Path, key: str) -> None:
    def rename(file: Any) -> None:
        file.move("OH/coordinates", f"OH/{key}")
        file["OH/atomic_numbers"] = [9, 1]

    done, pack = converted(change(write_ani(tmp_path), rename))
    assert pack.numbers.tolist() == [9, 1]
    assert done.told.ignored == {"species": 1}


def test_all_at_the_root(tmp_path: Path) -> None:
    def lift(file: Any) -> None:
        for key in list(file["OH"]):
            file.move(f"OH/{key}", key)
        del file["OH"]

    assert converted(change(write_ani(tmp_path), lift)).done.molecules == 1


@pytest.mark.parametrize("around", ["/", "set"])
@pytest.mark.parametrize(
    "said", [{"charge": -1}, {"pbc": [True] * 3}, {"cell": np.eye(3), "pbc": [False, True, True]}]
)
def test_what_is_said_around_a_group_is_said_of_it(tmp_path: Path, around: str, said: dict[str, Any]) -> None:
    def deeper(file: Any) -> None:
        file.move("OH", "set/OH")
        for key, value in said.items():
            file[around].attrs[key] = value

    path = change(write_ani(tmp_path), deeper)
    if "cell" in said:
        assert converted(path).pack.columns["pbc"].tolist() == [False, True, True]
    elif "pbc" in said:
        with pytest.raises(DataError, match="set/OH: periodic; found pbc; wanted one cell"):
            converted(path)
    else:
        assert converted(path).pack.charges.tolist() == [-1]


def test_groups_that_hold_something_else_are_told(tmp_path: Path) -> None:
    def add(file: Any) -> None:
        file["other/geometries"] = np.zeros((1, 2, 3))
        file.create_group("empty")

    warned = converted(change(write_ani(tmp_path), add)).done.told.warned
    assert warned == {"group without coordinates, such as 'other', left out": 1}
