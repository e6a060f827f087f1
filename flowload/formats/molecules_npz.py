"""Padded molecules in an `.npz`, read a few at a time, compressed or not.

It holds `Z (N, A)`, `R` and `F (N, A, 3)`, `E` and `N (N,)`, and may hold a total charge `Q` or `Qtot (N,)`;
`(N,)` may be `(N, 1)`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from flowload.errors import DataError

from .molecules_write import Some

__all__ = ["read_npz"]

KNOWN = ("Z", "R", "F", "E", "N", "Q", "Qtot")

ROWS = 4096  #: molecules that are read at a time

Array = NDArray[Any]


class Member:
    """One array of the archive, read from its beginning on. Raises DataError for what is no plain numbers."""

    def __init__(self, file: IO[bytes], where: str) -> None:
        self.file, self.where = file, where
        try:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            self.shape, fortran, self.dtype = read(file)
        except ValueError as error:
            raise DataError("bad .npy header", where=where, found=str(error)) from error
        if self.dtype.kind not in "iuf" or (fortran and len(self.shape) > 1):
            found = f"{self.dtype}{list(self.shape)}{' in columns' if fortran else ''}"
            raise DataError("array of another kind", where=where, found=found, wanted="numbers, row by row")

    def rows(self, count: int) -> Array:
        """The next rows. Raises DataError where there are fewer."""
        shape = count, *self.shape[1:]
        wanted = prod(shape) * self.dtype.itemsize
        data = self.file.read(wanted)
        if len(data) != wanted:
            raise DataError(
                "file ends early", where=self.where, found=f"{len(data)} bytes", wanted=f"{wanted} more bytes"
            )
        return np.frombuffer(data, self.dtype).reshape(shape)


@contextmanager
def members(path: Path) -> Iterator[dict[str, Member]]:
    """The arrays of an archive by name. Raises DataError where it is none, or is damaged."""
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
            there = [key for key in KNOWN if f"{key}.npy" in archive.namelist()]
            files = {key: stack.enter_context(archive.open(f"{key}.npy")) for key in there}
            yield {key: Member(file, f"{path}, {key}.npy") for key, file in files.items()}
        except (zipfile.BadZipFile, EOFError) as error:
            raise DataError("bad .npz", where=str(path), found=str(error)) from error


def read_npz(path: Path) -> Iterator[tuple[Some, int, int]]:
    """Some molecules at a time; with how many came so far, and how many there are. Raises DataError."""
    with members(path) as arrays:
        check_shapes(path, arrays)
        total = arrays["Z"].shape[0]
        for start in range(0, total, ROWS):
            count = min(ROWS, total - start)
            yield (
                unpadded({key: each.rows(count) for key, each in arrays.items()}, path, start),
                start + count,
                total,
            )


def check_shapes(path: Path, arrays: dict[str, Member]) -> None:
    """Raise DataError unless all arrays are there and fit each other."""
    if missing := [key for key in "ZRFEN" if key not in arrays]:
        found = ", ".join(arrays) or "none of them"
        raise DataError("arrays are missing", where=str(path), found=found, wanted=", ".join(missing))
    shape = arrays["Z"].shape
    if len(shape) != 2:
        raise DataError(
            "array of another kind", where=f"{path}, Z.npy", found=f"{list(shape)}", wanted="[N, A]"
        )
    for key, member in arrays.items():
        wanted = [shape] if key == "Z" else [(*shape, 3)] if key in "RF" else [shape[:1], (shape[0], 1)]
        if member.shape not in wanted:
            raise DataError(
                "arrays do not fit",
                where=member.where,
                found=f"{list(member.shape)}",
                wanted=f"{list(wanted[0])}",
            )


def unpadded(arrays: dict[str, Array], path: Path, start: int) -> Some:
    """The molecules without their padding. Raises DataError for a size that cannot be."""
    sizes, slots = arrays["N"].reshape(-1), arrays["Z"].shape[1]
    if (bad := (sizes < 1) | (sizes > slots) | (sizes != np.floor(sizes))).any():
        row = int(np.flatnonzero(bad)[0])
        where = f"{path}, molecule {start + row}"
        raise DataError("bad size", where=where, found=f"N = {sizes[row]}", wanted=f"1 to {slots}")
    real = np.arange(slots) < sizes[:, None]
    charges = arrays.get("Q", arrays.get("Qtot"))
    return Some(
        sizes.astype(np.int64),
        arrays["Z"][real],
        arrays["R"][real],
        arrays["F"][real],
        arrays["E"].reshape(-1),
        None if charges is None else charges.reshape(-1),
    )
