"""A `.npz` as it may come: each array read from its beginning on, compressed or not; nothing is unpickled."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.files.npy_header import read_npy_header
from flowload.files.regular import opened

from .report import shown

__all__ = ["Member", "archive"]

LARGEST = 1 << 30  #: bytes of one molecule: a claim of more is none
WORDS = 1000  #: bytes of a text

MEMBERS = 1000
METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
)  #: the others are inflated at once, however large they get

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

    def check(self, fits: list[tuple[int, ...]]) -> None:
        """Raise DataError for what is no plain numbers of one of these shapes; nothing is ever unpickled."""
        if self.dtype.kind not in "iuf" or self.columns:
            found = f"{self.dtype}{list(self.shape)}{' in columns' if self.columns else ''}"
            wanted = "numbers, row by row"
            raise DataError("array of another kind", where=self.where, found=found, wanted=wanted)
        if self.row > LARGEST:
            found, wanted = f"{self.row:,} bytes a molecule", f"at most {LARGEST:,}"
            raise DataError("array of another kind", where=self.where, found=found, wanted=wanted)
        if self.shape not in fits:
            found, wanted = f"{list(self.shape)}", f"{list(fits[0])}"
            raise DataError("arrays do not fit", where=self.where, found=found, wanted=wanted)

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

    def small(self, most: int) -> Array | None:
        """All of it, where that is at most so many bytes: what says whether molecules are periodic."""
        nbytes = prod(self.shape) * self.dtype.itemsize
        if self.dtype.kind not in "biuf" or nbytes > most:
            return None
        return np.frombuffer(self.read(nbytes), self.dtype)

    def words(self) -> str:
        """The text that the array is, such as a unit; "" where it is none, or long."""
        nbytes = prod(self.shape) * self.dtype.itemsize
        if self.dtype.kind not in "SU" or self.shape not in ((), (1,)) or not 0 < nbytes <= WORDS:
            return ""
        data = self.read(nbytes)
        if len(data) != nbytes:
            return ""
        with foreign("bad .npz", self.where):
            value = np.frombuffer(data, self.dtype)[0]
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

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
