"""Our own reading of chunks, compared with zarr-python's when an array is opened.

What is compared, bit for bit: the first and last chunks of each axis, and some that chance picks. At most
32 MiB, decoded: that is what the first batches read anyway, and takes 0.1 s. Where a single chunk is larger,
a small array of the same kind is written instead, and both read that.
A chunk that we cannot read is no difference if we can read others: it is an error when a row asks for it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from itertools import product
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.formats.zarr.chunks.grid import Grid
from flowload.formats.zarr.chunks.places import Coords, layout_of

__all__ = ["BUDGET", "difference", "probes", "shrunk"]

BUDGET = 32 << 20  #: bytes of decoded chunks that are compared
RANDOM = 3  #: chunks by chance, among not more than MOST
MOST = 12

#: Reads rows of a chunk, counted from its first, as far as they are read; raises DataError where it cannot.
ReadChunk: TypeAlias = Callable[[Coords, slice], NDArray[Any]]


def probes(grid: Grid, location: str) -> Iterator[Coords]:
    """The chunks that are compared: those at the ends first, then such that chance picks."""
    ends = [sorted({0, min(1, size - 1), size - 1}) for size in grid.every]
    seen: dict[Coords, None] = {tuple(sizes[-1] for sizes in ends): None}
    seen |= dict.fromkeys(product(*ends[:3], *([0] for _ in ends[3:])))
    corners = list(seen)[: MOST - RANDOM]
    rng = np.random.Generator(np.random.Philox(crc32(location.encode(errors="surrogateescape"))))
    chance = [tuple(int(rng.integers(size)) for size in grid.every) for _ in range(RANDOM)]
    left = BUDGET
    for coords in dict.fromkeys([*corners[:2], *chance, *corners[2:]]):
        left -= grid.chunk_bytes
        if left < 0:
            return
        yield coords


def difference(ours: ReadChunk, theirs: ReadChunk, grid: Grid, location: str) -> Coords | None:
    """The first chunk of which one reads something else than the other; None: there is none.

    Args:
        ours: reads a chunk.
        theirs: reads the same by zarr-python.
        grid: the chunks.
        location: for the choice of chunks.
    """
    refused: list[Coords] = []
    agreed = 0
    for coords in probes(grid, location):
        rows = grid.patch(coords).inside[0].stop
        found = compare(ours, theirs, coords, rows) or compare(ours, theirs, coords, rows)
        if found is Found.OTHER:
            return coords  # and not because the chunk came or went meanwhile
        refused += [coords] if found is Found.REFUSED else []
        agreed += found is Found.SAME
    return refused[0] if refused and not agreed else None


class Found(enum.Enum):
    """The outcome of comparing what we read with what the library reads."""

    SAME = "same"
    OTHER = "other bits, or bits where zarr-python finds none"
    REFUSED = "we do not read what zarr-python does"
    NEITHER = "neither reads it"

    def __bool__(self) -> bool:
        """Whether another look would not help."""
        return self is not Found.OTHER


def compare(ours: ReadChunk, theirs: ReadChunk, coords: Coords, rows: int) -> Found:
    """A chunk as both read it, whole and in part.

    A reader may be right of whole chunks alone: zarrs 0.2.3 is, of big-endian complex numbers. And one that
    we refuse where zarr-python does not may be damaged: it gives the fill value for a part of a shard that
    lies behind its end. Only where we refuse all of them we do not know the kind.
    """
    other = read_or_none(theirs, coords, slice(0, rows))
    for part in dict.fromkeys([(0, rows), (rows // 3, rows // 3 + max(1, rows // 2))]):
        one = read_or_none(ours, coords, slice(*part))
        if one is None:
            return Found.NEITHER if other is None else Found.REFUSED
        if other is None or not alike(one, other[slice(*part)]):
            return Found.OTHER
    return Found.SAME


def alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays hold the same bits."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(np.array_equal(one.reshape(-1).view(np.uint8), other.reshape(-1).view(np.uint8)))


def read_or_none(read: ReadChunk, coords: Coords, rows: slice) -> NDArray[Any] | None:
    """What is read; None where it cannot be."""
    try:
        return read(coords, rows)
    except DataError:
        return None


def shrunk(document: Mapping[str, Any]) -> tuple[dict[str, Any], Coords, Coords]:
    """Metadata of an array of the same kind with small chunks, its shape and the shape of its files.

    Two chunks along each of the first three axes, the last one cut.
    """
    small = deepcopy(dict(document))
    old = small["zarr_format"] == 2
    chunks = small["chunks"] if old else small["chunk_grid"]["configuration"]["chunk_shape"]
    layout = layout_of(small)
    unit = chunks if layout is None else layout.chunk
    unit = [min(size, 8 if axis < 3 else 2) for axis, size in enumerate(unit)]
    if layout is not None:
        small["codecs"][0]["configuration"]["chunk_shape"] = list(unit)
    files = tuple(size if layout is None else 2 * size for size in unit)
    shape = tuple(2 * size - 1 if axis < 3 else size for axis, size in enumerate(files))
    small["shape"] = list(shape)
    if old:
        small["chunks"] = list(files)
    else:
        small["chunk_grid"]["configuration"]["chunk_shape"] = list(files)
    small["attributes"] = {}
    return small, shape, files
