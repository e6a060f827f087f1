"""A folder of packed molecules, memory-mapped, after everything that can be known without reading it all.

The offsets are copied to memory and checked there: kernels go where they say, whatever the file says later.

Files: `offsets.npy (N+1,) int64`, `n_atoms.npy (N,) int32`, `Z_pack.int32 (A,)`, `R_pack.f32 (A, 3)` in Å,
`F_pack.f32 (A, 3)` in kcal/mol/Å, `E.f64 (N,)` in kcal/mol, and `Qtot.f64 (N,)` in e, which may be absent.
Our own are `groups.npy (N,)`, which may be absent, too: integers that name the molecule of a conformation;
and what the manifest `meta.json` declares: columns beside these, and that forces or energies are not there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import NamedArrays
from flowload.errors import DataError, NoDataError
from flowload.files.arrays import Dump, map_array, read_array
from flowload.files.guard import Guard
from flowload.kernels.molecules.ragged import first_misfit

from .columns.column import Column
from .columns.manifest import MANIFEST, Manifest, read_manifest

__all__ = ["PACKS", "Pack", "absent", "open_pack"]

#: Headerless files: dtype of a value, values a row.
PACKS: dict[str, tuple[np.dtype[Any], int]] = {
    "Z_pack.int32": (np.dtype("<i4"), 1),
    "R_pack.f32": (np.dtype("<f4"), 3),
    "F_pack.f32": (np.dtype("<f4"), 3),
    "E.f64": (np.dtype("<f8"), 1),
    "Qtot.f64": (np.dtype("<f8"), 1),
}


class Pack(NamedTuple):
    """The memory-mapped arrays of a packed folder, molecules one behind the other."""

    path: Path
    offsets: NDArray[np.int64]  #: (N + 1,)
    numbers: NDArray[np.int32]  #: (A,)
    places: NDArray[np.float32]  #: (3 A,)
    forces: NDArray[np.float32]  #: (3 A,); empty: there are none
    energies: NDArray[np.float64]  #: (N,); empty: there are none
    charges: NDArray[np.float64]  #: (N,); empty: all are 0
    groups: NDArray[Any] | None  #: (N,) integers
    manifest: Manifest  #: which columns there are
    columns: NamedArrays  #: those of the manifest, each as one axis
    guard: Guard  #: of the files: the arrays are read inside `with guard:`

    def __len__(self) -> int:
        return len(self.offsets) - 1


def open_pack(path: Path, guard: Guard | None = None) -> Pack:
    """Map a folder. Raises DataError that names the file, what was found, and what was wanted.

    Args:
        path: of the folder.
        guard: watches the files, and perhaps those of other folders; None: one of its own.
    """
    if not path.is_dir():
        raise NoDataError(
            "no folder of packed molecules", where=str(path), wanted="what `flowload pack` writes"
        )
    guard = Guard() if guard is None else guard
    lengths = open_numbers(path / "n_atoms.npy", "int32", guard)
    offsets = open_numbers(path / "offsets.npy", "int64", guard)
    if len(offsets) != len(lengths) + 1:
        found, wanted = f"{len(offsets)} offsets", f"{len(lengths) + 1}, one more than n_atoms.npy has"
        raise DataError("arrays do not fit", where=str(path / "offsets.npy"), found=found, wanted=wanted)
    if not len(lengths):
        raise NoDataError("no molecules", where=str(path), found="N = 0", wanted="at least one")
    check_offsets(path, offsets, lengths)
    atoms, rows = int(offsets[-1]), len(lengths)
    manifest = read_manifest(path, guard)
    check_absent(path, manifest)
    charges = path / "Qtot.f64"
    return Pack(
        path,
        offsets,
        map_flat(path / "Z_pack.int32", atoms, guard),
        map_flat(path / "R_pack.f32", atoms, guard),
        map_flat(path / "F_pack.f32", 0 if "F" in manifest.without else atoms, guard),
        map_flat(path / "E.f64", 0 if "E" in manifest.without else rows, guard),
        map_flat(charges, rows if charges.exists() else 0, guard),
        open_groups(path / "groups.npy", rows, guard),
        manifest,
        {
            name: map_column(path / column.file(name), column, atoms if column.per == "atom" else rows, guard)
            for name, column in manifest.columns
        },
        guard,
    )


def open_numbers(path: Path, dtype: str, guard: Guard) -> NDArray[Any]:
    """A `.npy` file of one axis. Raises DataError for another dtype or shape."""
    array = read_array(path, guard)
    if str(array.dtype) != dtype or array.ndim != 1:
        found, wanted = f"{array.dtype}{list(array.shape)}", f"{dtype}[N]"
        raise DataError("array of another kind", where=str(path), found=found, wanted=wanted)
    return array


def check_offsets(path: Path, offsets: NDArray[np.int64], lengths: NDArray[np.int32]) -> None:
    """Raise DataError unless offsets begin at 0, rise, and differ by the atoms of each molecule."""
    where = path / "offsets.npy"
    if offsets[0] != 0:
        raise DataError("offsets do not begin at 0", where=str(where), found=str(offsets[0]), wanted="0")
    row = first_misfit(offsets, lengths, np.iinfo(np.int64).max)
    if row < 0:
        return
    begin, end, atoms = int(offsets[row]), int(offsets[row + 1]), int(lengths[row])
    reason = (
        "offsets fall" if end < begin else "molecule without atoms" if end == begin else "offsets do not fit"
    )
    raise DataError(
        reason,
        where=f"{where}, molecule {row}",
        found=f"offsets {begin} and {end}: {end - begin} atoms",
        wanted=f"the {atoms} atoms of n_atoms.npy" if atoms > 0 else "at least one atom",
    )


def check_absent(path: Path, manifest: Manifest) -> None:
    """Raise DataError for a file that the manifest says is not there."""
    for key, name in (("F", "F_pack.f32"), ("E", "E.f64")):
        if key in manifest.without and (path / name).exists():
            wanted = f"none: {MANIFEST} says that the folder is without {key}"
            raise DataError("a file too many", where=str(path / name), found="a file", wanted=wanted)


def map_flat(path: Path, rows: int, guard: Guard) -> NDArray[Any]:
    """A headerless file of so many rows as one axis; nothing of 0. Raises DataError for any other size."""
    dtype, width = PACKS[path.name]
    return map_array(path, guard, dump=Dump(dtype, (), rows * width)) if rows else absent(dtype)


def absent(dtype: np.dtype[Any]) -> NDArray[Any]:
    """What stands for a file that may be absent: read-only, as maps are, so that kernels are the same."""
    array = np.empty(0, dtype)
    array.flags.writeable = False
    return array


def map_column(path: Path, column: Column, rows: int, guard: Guard) -> NDArray[Any]:
    """The file of a column as one axis. Raises DataError that names it."""
    return map_array(path, guard, dump=Dump(column.stored, (), rows * column.numbers))


def open_groups(path: Path, rows: int, guard: Guard) -> NDArray[Any] | None:
    """The molecule of each conformation, where the folder says so. Raises DataError."""
    if not path.exists():
        return None
    groups = map_array(path, guard)
    if groups.dtype.kind not in "iu" or groups.shape != (rows,):
        found, wanted = f"{groups.dtype}{list(groups.shape)}", f"integers[{rows}]"
        raise DataError("array of another kind", where=str(path), found=found, wanted=wanted)
    return groups
