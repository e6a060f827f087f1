"""Molecules in an `.npz`, read a few at a time, compressed or not: padded ones, or conformations of one.

Padded molecules are `Z (N, A)`, `R (N, A, 3)`, `N (N,)`, energies `E (N,)`, forces `F (N, A, 3)` or
gradients, and perhaps a total charge `(N,)`, such as `Q`; `(N,)` may be `(N, 1)`. Behind a molecule's N atoms
Z is 0 or less. Conformations of one molecule have its elements once; see `trajectory`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.formats.molecules.write import Some

from .archive import Member, archive
from .arrays import Picked, pick_arrays, tell_picked, total_charges
from .boxes import find_boxes
from .keys import Names
from .report import Told, shown
from .trajectory import Trajectory, find_trajectory, tell_units

__all__ = ["read_npz"]

ROWS = 4096  #: molecules that are read at a time,
NBYTES = 64 << 20  #: unless they are larger than this
ENDING = ".npy"

Array = NDArray[Any]


def read_npz(
    path: Path, names: Names | None = None, told: Told | None = None
) -> Iterator[tuple[Some, int, int]]:
    """Some molecules at a time; with how many came so far, and how many there are.

    Args:
        path: the file.
        names: of what is read.
        told: is told what was used and ignored.

    Raises DataError that names file, member and molecule.
    """
    names, told = names or Names(), told or Told()
    with archive(path) as members, ExitStack() as stack:
        arrays = {}
        for name in members.namelist():
            if name.endswith(ENDING):
                where = f"{path}, {shown(name)}"
                with foreign("bad .npz", where):
                    file = stack.enter_context(members.open(name))
                arrays[name.removesuffix(ENDING)] = Member(file, where)
            else:
                told.ignore(name)
        kind = find_trajectory(arrays, path)
        if kind is None:
            picked = choose(path, arrays, names)
            count = arrays["Z"].shape[0]
            read = {key: arrays[key] for key in ("Z", "R", "N", *picked.keys)}
            tell_picked(told, picked, count, names)
            yield from parts(read, count, lambda found, start: unpadded(found, picked, path, start))
            return
        tell_units(arrays, told)
        molecule = Trajectory(path, arrays, kind, names)
        tell_picked(told, molecule.picked, molecule.count, names)
        yield from parts(molecule.moving(), molecule.count, molecule.some)


def choose(path: Path, arrays: dict[str, Member], names: Names) -> Picked:
    """Which arrays of padded molecules to read, after their shapes were checked. Raises DataError."""
    if missing := [key for key in "ZRN" if key not in arrays]:
        found = ", ".join(map(shown, arrays)) or "none of them"
        raise DataError("arrays are missing", where=str(path), found=found, wanted=", ".join(missing))
    shape = arrays["Z"].shape
    if len(shape) != 2:
        raise DataError(
            "array of another kind", where=f"{path}, Z.npy", found=f"{list(shape)}", wanted="[N, A]"
        )
    count, atoms = shape
    # What is no number fits nothing: a name such as "charge_method" may be anything else.
    shapes = {key: member.shape if member.dtype.kind in "iuf" else (-1,) for key, member in arrays.items()}
    picked = pick_arrays(shapes, (count, atoms), names, "ZRN", ("E", "F"), str(path))
    wanted: dict[str, list[tuple[int, ...]]] = {"Z": [shape], "R": [(*shape, 3)], "N": [(count,), (count, 1)]}
    wanted |= {key: picked.shapes(key, count, atoms) for key in picked.keys}
    for key, fits in wanted.items():
        arrays[key].check(fits)
    known = {key: member.shape for key, member in arrays.items()}
    ignore = names.ignore_cell
    boxes, cell = find_boxes(
        known, lambda key, most: arrays[key].small(most), count, str(path), ignore=ignore
    )
    return picked._replace(cell=cell, boxes=boxes)


def parts(
    arrays: dict[str, Member], total: int, make: Callable[[dict[str, Array], int], Some]
) -> Iterator[tuple[Some, int, int]]:
    """Some molecules at a time, made of their rows of each array, and of the number of the first."""
    single = {key: each.rows(1) for key, each in arrays.items() if each.shape in ((), (1,)) and total != 1}
    many = {key: each for key, each in arrays.items() if key not in single}
    each = max(1, min(ROWS, NBYTES // max(1, sum(member.row for member in many.values()))))
    for start in range(0, total, each):
        count = min(each, total - start)
        read = {key: member.rows(count) for key, member in many.items()} | single
        yield make(read, start), start + count, total
    for member in arrays.values():
        member.end()


def unpadded(arrays: dict[str, Array], picked: Picked, path: Path, start: int) -> Some:
    """The molecules without their padding. Raises DataError for a size that cannot be."""
    sizes, slots = arrays["N"].reshape(-1), arrays["Z"].shape[1]
    if (bad := (sizes < 1) | (sizes > slots) | (sizes != np.floor(sizes))).any():
        row = int(np.flatnonzero(bad)[0])
        where = f"{path}, molecule {start + row}"
        raise DataError("bad size", where=where, found=f"N = {sizes[row]}", wanted=f"1 to {slots}")
    real = np.arange(slots) < sizes[:, None]
    if (more := (arrays["Z"] > 0) & ~real).any():
        row, slot = np.argwhere(more)[0].tolist()
        where = f"{path}, molecule {start + row}, atom {slot}"
        found = f"Z = {arrays['Z'][row, slot]} behind the {sizes[row]} atoms that N says"
        raise DataError("N and Z differ", where=where, found=found, wanted="0 or less")
    return Some(
        sizes.astype(np.int64),
        arrays["Z"][real],
        arrays["R"][real],
        None if picked.forces is None else picked.sign * arrays[picked.forces][real],
        arrays[picked.energy].reshape(-1),
        total_charges(arrays, picked, len(sizes), f"{path}, molecules from {start} on"),
        columns={
            name: wanted.rows(arrays[wanted.source])
            if wanted.per == "molecule"
            else arrays[wanted.source].reshape(*real.shape, *wanted.shape)[real]
            for name, wanted in picked.columns
        },
        **picked.box(start, len(sizes)),
    )
