"""Padded molecules in an `.npz`, read a few at a time, compressed or not.

It holds `Z (N, A)`, `R (N, A, 3)`, `N (N,)`, energies `E (N,)`, forces `F (N, A, 3)` or gradients, and may
hold a total charge `(N,)`, such as `Q`; `(N,)` may be `(N, 1)`. Behind a molecule's N atoms Z is 0 or less.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.files.npy_header import read_npy_header
from flowload.files.regular import opened
from flowload.formats.molecules.write import Some

from .arrays import Picked, is_periodic, pick_arrays, tell_picked, total_charges
from .keys import Names
from .report import Told, shown

__all__ = ["read_npz"]

ROWS = 4096  #: molecules that are read at a time,
NBYTES = 64 << 20  #: unless they are larger than this
LARGEST = 1 << 30  #: bytes of one molecule: a claim of more is none

MEMBERS = 1000
METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
)  #: the others are inflated at once, however large they get
ENDING = ".npy"

Array = NDArray[Any]


class Member:
    """One array of the archive, read from its beginning on."""

    def __init__(self, file: IO[bytes], where: str) -> None:
        self.file, self.where = file, where
        self.dtype, self.shape, self.columns = read_npy_header(file, where)

    @property
    def row(self) -> int:
        """Bytes of a row."""
        return prod(self.shape[1:]) * self.dtype.itemsize

    def check(self) -> None:
        """Raise DataError for what is no plain numbers; nothing is ever unpickled."""
        if self.dtype.kind not in "iuf" or self.columns:
            found = f"{self.dtype}{list(self.shape)}{' in columns' if self.columns else ''}"
            wanted = "numbers, row by row"
            raise DataError("array of another kind", where=self.where, found=found, wanted=wanted)
        if self.row > LARGEST:
            found, wanted = f"{self.row:,} bytes a molecule", f"at most {LARGEST:,}"
            raise DataError("array of another kind", where=self.where, found=found, wanted=wanted)

    def rows(self, count: int) -> Array:
        """The next rows. Raises DataError where there are fewer."""
        shape = count, *self.shape[1:]
        wanted = count * self.row
        data = self.read(wanted)
        if len(data) != wanted:
            raise DataError(
                "file ends early", where=self.where, found=f"{len(data)} bytes", wanted=f"{wanted} more bytes"
            )
        return np.frombuffer(data, self.dtype).reshape(shape)

    def small(self) -> Array | None:
        """All of it, where that is little: what says whether molecules are periodic; None: it is not."""
        nbytes = prod(self.shape) * self.dtype.itemsize
        if self.dtype.kind not in "biuf" or nbytes > NBYTES:
            return None
        return np.frombuffer(self.read(nbytes), self.dtype)

    def end(self) -> None:
        """Raise DataError where more follows; only the last byte shows whether the checksum is right."""
        if self.read(1):
            raise DataError("more data than the header says", where=self.where, wanted=f"{list(self.shape)}")

    def read(self, count: int) -> bytes:
        """So many bytes, or those that are left."""
        with foreign("bad .npz", self.where):
            return self.file.read(count)


@contextmanager
def archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip file. Raises DataError where it is none, or names something twice."""
    with opened(path) as fd, open(fd, "rb", closefd=False) as file:
        with foreign("bad .npz", str(path)):
            found = zipfile.ZipFile(file)
        with found:
            names = Counter(found.namelist())
            if len(names) > MEMBERS or max(names.values(), default=0) > 1:
                said = f"{names.total():,} members, of {len(names):,} names"
                raise DataError(
                    "bad .npz", where=str(path), found=said, wanted=f"each array once, at most {MEMBERS}"
                )
            for info in found.infolist():
                if info.compress_type not in METHODS:
                    said, where = f"method {info.compress_type}", f"{path}, {shown(info.filename)}"
                    raise DataError("bad .npz", where=where, found=said, wanted="deflate, or none")
            yield found


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
        picked = choose(path, arrays, names)
        count = arrays["Z"].shape[0]
        tell_picked(told, picked, count, names)
        yield from parts({key: arrays[key] for key in ("Z", "R", "N", *picked.keys)}, picked, path)


def choose(path: Path, arrays: dict[str, Member], names: Names) -> Picked:
    """Which arrays to read, after their shapes were checked. Raises DataError."""
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
        arrays[key].check()
        if arrays[key].shape not in fits:
            found = f"{list(arrays[key].shape)}"
            raise DataError(
                "arrays do not fit", where=arrays[key].where, found=found, wanted=f"{list(fits[0])}"
            )
    cell = is_periodic(list(arrays), lambda key: arrays[key].small(), str(path), ignore=names.ignore_cell)
    return picked._replace(cell=cell)


def parts(arrays: dict[str, Member], picked: Picked, path: Path) -> Iterator[tuple[Some, int, int]]:
    """Some molecules at a time."""
    total = arrays["Z"].shape[0]
    single = {key: each.rows(1) for key, each in arrays.items() if each.shape in ((), (1,)) and total != 1}
    many = {key: each for key, each in arrays.items() if key not in single}
    each = max(1, min(ROWS, NBYTES // max(1, sum(member.row for member in many.values()))))
    for start in range(0, total, each):
        count = min(each, total - start)
        read = {key: member.rows(count) for key, member in many.items()} | single
        yield unpadded(read, picked, path, start), start + count, total
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
        picked.sign * arrays[picked.forces][real],
        arrays[picked.energy].reshape(-1),
        total_charges(arrays, picked, len(sizes), f"{path}, molecules from {start} on"),
    )
