"""One molecule, OH, in every kind of source that a converter reads, under whatever names a test likes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest

from flowload.errors import DataError
from flowload.formats.molecules.convert.pack import Packed, pack_molecules
from flowload.formats.molecules.convert.units import Units
from flowload.formats.molecules.files import Pack, open_pack

__all__ = [
    "FORCES",
    "KEYS",
    "KINDS",
    "OURS",
    "PLACES",
    "Source",
    "converted",
    "frame",
    "refusal",
    "write_ani",
    "write_npz",
    "write_xyz",
]

OURS = Units(energy="kcal/mol", length="angstrom", force="kcal/mol/angstrom")

PLACES = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.97]])
FORCES = np.array([[0.0, 0.0, -0.5], [0.0, 0.0, 0.5]])


class Source(NamedTuple):
    """What a converter read, and what became of it."""

    done: Packed
    pack: Pack


def write_xyz(folder: Path, *, energy: Any = "energy", forces: Any = "forces", **extra: Any) -> Path:
    """A frame; what is extra are its keys."""
    keys = " ".join(f"{key}={value}" for key, value in extra.items())
    head = f"2\nProperties=species:S:1:pos:R:3:{forces}:R:3 {energy}=-1.5 {keys}\n"
    rows = zip("OH", PLACES.tolist(), FORCES.tolist(), strict=True)
    lines = [f"{symbol} {' '.join(map(repr, (*place, *force)))}\n" for symbol, place, force in rows]
    path = folder / "set.xyz"
    path.write_text(head + "".join(lines))
    return path


def write_npz(folder: Path, *, energy: Any = "E", forces: Any = "F", **extra: Any) -> Path:
    """A padded molecule; what is extra are arrays of one number a molecule, unless they are arrays."""
    arrays: dict[str, Any] = {
        "Z": np.array([[8, 1, 0]]),
        "R": np.vstack([PLACES, [[np.nan] * 3]])[None],
        "N": np.array([2]),
        energy: np.array([-1.5]),
        forces: np.vstack([FORCES, [[0, 0, 0]]])[None],
    }
    arrays.update({key: np.atleast_1d(value) for key, value in extra.items()})
    np.savez(folder / "set.npz", **arrays)
    return folder / "set.npz"


def write_ani(folder: Path, *, energy: Any = "energies", forces: Any = "forces", **extra: Any) -> Path:
    """A group of one conformation; what is extra are datasets of it."""
    with h5py.File(folder / "set.h5", "w") as file:
        group = file.create_group("OH")
        group["species"] = [b"O", b"H"]
        group["coordinates"] = PLACES[None]
        group[energy] = [-1.5]
        group[forces] = FORCES[None]
        for key, value in extra.items():
            group[key] = np.atleast_1d(value)
    return folder / "set.h5"


KINDS: dict[str, Callable[..., Path]] = {"xyz": write_xyz, "npz": write_npz, "hdf5": write_ani}


def converted(path: Path, **how: Any) -> Source:
    """Packed beside the source, and opened; the folder must not be there."""
    done = pack_molecules(path, path.parent / "out", OURS, **how)
    return Source(done, open_pack(path.parent / "out"))


KEYS = "Properties=species:S:1:pos:R:3:forces:R:3 energy="


def frame(z: str = "0.74", e: str = "-1.5", s: str = "H", keys: str = KEYS, n: str = "2") -> str:
    """Two atoms in XYZ: place of the second, energy, symbol of the second, keys before the energy, count."""
    return f"{n}\n{keys}{e}\nH 0 0 0 0 0 0.1\n{s} 0 0 {z} 0 0 -0.1\n"


def refusal(tmp_path: Path, text: str | bytes) -> DataError:
    """Why a text is refused; nothing is left of it."""
    folder = tmp_path / "one"
    folder.mkdir(exist_ok=True)
    path = folder / "a.xyz"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        pack_molecules(path, folder / "out", OURS)
    assert [file.name for file in folder.iterdir()] == ["a.xyz"]
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1500
    return caught.value
