"""What we read past a library, compared with what the library reads: a few rows of each array, when it opens.

Files are written by many programs, and a library knows more kinds of them than anyone who reads past it. So
nothing is read past one unless both agree about the first and the last row, and about rows at both ends of
some chunks, drawn at random but the same every time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes, Call
from flowload.abc.records import Numbers
from flowload.errors import DataError
from flowload.files.foreign import foreign

__all__ = ["ENOUGH", "WRONG_SIZE", "Readable", "difference", "sample_rows", "unlike"]

CHUNKS = 3  #: whose first and last rows are compared, beside the first and the last of all
WRONG_SIZE = "wrong size"  #: the reason of a chunk that is not as long as it must be
ENOUGH = 64 << 20  #: bytes that are compared; but the first row and the last always are


class Readable(Protocol):
    """What a comparison needs of a column: its shape, dtype, and reading rows."""

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        """See `columns.Column`."""


class Memory:
    """As much of a `Call` as reading asks for, outside of a run: memory."""

    def lease(self, nbytes: int) -> Bytes:
        """Memory of its own."""
        return np.empty(nbytes, np.uint8)


def sample_rows(rows: int, chunk: int, width: int) -> list[int]:
    """Rows to compare, of so many, with so many in a chunk, of `width` bytes each."""
    chunks = -(-rows // chunk)
    drawn = np.random.Generator(np.random.Philox(key=rows)).integers(0, chunks, CHUNKS).tolist()
    wanted = [0, rows - 1]
    for number in (0, chunks - 1, *drawn):
        wanted += [number * chunk, min((number + 1) * chunk, rows) - 1]
    return list(dict.fromkeys(wanted))[: max(2, ENOUGH // max(1, width))]


def difference(
    column: Readable, library: Callable[[int, int], Any], *, chunk: int, also: Sequence[tuple[int, int]] = ()
) -> str | None:
    """What a column reads otherwise than its library does; None: they agree.

    Where neither can read a row, they agree, too, and where a chunk has a wrong size, which libraries may
    overlook: it is an error when somebody wants it.

    Args:
        column: reads past the library.
        library: reads rows `begin` to `end`: an array of the same numbers, in any byte order. May raise.
        chunk: rows that lie together.
        also: further rows, from and to.
    """
    width = prod(column.shape[1:]) * column.dtype.itemsize
    single = [(row, row + 1) for row in sample_rows(column.shape[0], chunk, width)]
    for begin, end in (*single, *also):
        rows = f"row {begin}" if end == begin + 1 else f"rows {begin} to {end}"
        wanted, said = attempt(library, column.where, begin, end)
        try:
            found = np.empty((end - begin, *column.shape[1:]), column.dtype)
            column.read(np.arange(begin, end, dtype=np.int64), found, cast("Call", Memory()))
        except DataError as error:
            if wanted is not None and error.reason != WRONG_SIZE:
                return f"{rows}: {error.reason}, {error.found}"
            continue
        if wanted is None:
            return f"{rows}: {said}"
        if wanted.shape != found.shape or unlike(found, wanted).any():
            return f"{rows}: other numbers"
    return None


def attempt(
    library: Callable[[int, int], Any], where: str, begin: int, end: int
) -> tuple[NDArray[Any] | None, str]:
    """What a library reads, or what it says instead."""
    try:
        with foreign("unreadable", where):
            return np.asarray(library(begin, end)), ""
    except DataError as error:
        return None, error.found


def unlike(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows of two arrays of one shape differ in a bit; what lies between fields does not count."""
    if one.dtype.names is not None:
        names = other.dtype.names or ()
        if one.dtype.names != names:
            return np.ones(len(one), bool)
        parts = [unlike(one[name], other[name]) for name in names]
        return np.any(parts, axis=0) if parts else np.zeros(len(one), bool)
    pair = [np.ascontiguousarray(each.astype(one.dtype, copy=False)) for each in (one, other)]
    if not one.size or not one.dtype.itemsize:
        return np.zeros(len(one), bool)
    first, second = (each.reshape(len(one), -1).view(np.uint8) for each in pair)
    differ: NDArray[np.bool_] = (first != second).any(axis=1)
    return differ
