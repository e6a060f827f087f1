"""What several keys of a window have of rows of a chunk, as the numbers that one call of a kernel takes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.operators import Bytes, NamedArrays
from flowload.kernels.rows import parts as kernels
from flowload.kernels.rows.cells import WORDS
from flowload.kernels.rows.parts import Room, read_parts, take_parts

from .along import Along, length, numbers_of
from .extract import RUN, WIDE, Extract, Part

__all__ = ["Taking", "Target", "pread_address", "taking_of"]

KINDS = {"float16": kernels.FLOAT16, "bfloat16": kernels.BFLOAT16}


@cache
def pread_address() -> int | None:
    """Where the system's function is; None where it has none, or calls it otherwise."""
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    try:
        return ctypes.cast(ctypes.CDLL(None)["pread"], ctypes.c_void_p).value
    except (AttributeError, OSError, TypeError):
        return None


def kernels_of_parts() -> Iterator[Need]:
    """Those of numbers of 32 bits, to be compiled before the first window."""
    memory, lines = np.empty(16, np.uint8), np.empty((0, kernels.COLUMNS), np.int64)
    words, cells = memory.view(np.uint32).reshape(-1, 2), np.empty(0, np.uint64)
    room = Room(np.empty(1, np.uint32), np.empty(1, np.uint32), np.empty(1, np.uint16))
    if pread_address() is not None:
        yield read_parts, (0, (0, 0), memory, words, 0, lines, cells, room)
    yield take_parts, (words, 0, lines, cells, room)


class Taking:
    """See the module; made once for all windows.

    Args:
        keys: of the window, one for each line.
        lines: for the kernel, without addresses: `TO` is the byte of a row of the window, `STREAM` whether
            it is worth while.
        cells: for the kernel.
        words: the kind of whole number that has the size of the chunk's elements.
    """

    def __init__(
        self, keys: Sequence[str], lines: NDArray[np.int64], cells: NDArray[np.uint64], words: np.dtype[Any]
    ) -> None:
        self.keys = keys
        self.lines = lines
        self.cells = cells
        self.words = words
        self.longest = int((lines[:, kernels.COUNT] * lines[:, kernels.RUN]).max())

    def to(self, views: NamedArrays, first: int, large: Mapping[str, bool]) -> Target | None:
        """Where rows of windows are to go, from row `first` on; None where these have gaps in memory.

        Args:
            views: the window's arrays by key, with all axes of the recording's.
            first: row of the window.
            large: of each key, whether it leaves the caches before anybody reads it.
        """
        lines = self.lines.copy()
        for line, key in zip(lines, self.keys, strict=True):
            view = views[key]
            if not view.flags.c_contiguous:
                return None
            stride = view.nbytes // max(1, len(view))
            line[kernels.TO] += view.ctypes.data + first * stride
            line[kernels.STRIDE] = stride
            line[kernels.STREAM] &= large[key]
        return Target(self, lines, views)


class Target:
    """Rows of windows that wait for theirs of a chunk; holds the windows while it does."""

    def __init__(self, taking: Taking, lines: NDArray[np.int64], views: NamedArrays) -> None:
        self.taking = taking
        self.lines = lines
        self.views = views
        most = taking.longest
        self.room = Room(np.empty(most, taking.words), np.empty(most, np.uint32), np.empty(most, np.uint16))

    def read(self, fd: int, offset: int, rows: int, memory: Bytes, row_bytes: int) -> bool:
        """Take as many rows of a file, the first at byte `offset`.

        False: they end before, cannot be read, or have a number too large for a window.

        Args:
            memory: for some rows, which stays in the cache.
        """
        pread = pread_address()
        if pread is None:
            return False
        words = memory.view(self.taking.words).reshape(-1, row_bytes // self.taking.words.itemsize)
        own = self.taking
        done, lost = read_parts(pread, (fd, offset), memory, words, rows, self.lines, own.cells, self.room)
        return done == rows and not lost

    def take(self, block: NDArray[Any]) -> bool:
        """Take rows in memory, C-contiguous. False: one has a number too large for a window."""
        words = block.reshape(len(block), -1).view(self.taking.words)
        return not take_parts(words, 0, self.lines, self.taking.cells, self.room)


def taking_of(
    extracts: Mapping[str, Extract], parts: Sequence[tuple[str, Part]], shape: Sequence[int], dtype: Any
) -> Taking | None:
    """What a kernel takes of a chunk in one go; None where it cannot: other conversions, scattered places.

    Args:
        extracts: by key.
        parts: what of the chunk belongs to which key.
        shape: of a row of the chunk.
        dtype: of its elements, as they are in memory.
    """
    kind, lines, cells = WORDS.get(dtype.itemsize), [], []
    if kind is None or not dtype.isnative or dtype.hasobject or not parts:
        return None
    begin = 0
    for key, part in parts:
        extract = extracts[key]
        if extract.scale is not None:
            return None
        becomes = kernels.SAME if extract.dtype == dtype else KINDS.get(extract.dtype.name)
        first = place_in(part.target, extract.full)
        if becomes is None or first is None or (becomes != kernels.SAME and dtype != np.float32):
            return None
        size = extract.dtype.itemsize
        starts, run, step = runs_of(part.inside, shape)
        wide = len(starts) * run * size >= WIDE
        lines.append([first * size, 0, begin, len(starts), run, becomes, wide, step])
        cells.append(starts)
        begin += len(starts)
    keys = [key for key, _ in parts]
    numbers = np.concatenate(cells).astype(np.uint64)
    return Taking(keys, np.array(lines, np.int64), numbers, np.dtype(kind))


def place_in(target: Sequence[Along], full: Sequence[int]) -> int | None:
    """The first element of a row of the window that a part writes, if they lie one behind the other.

    Args:
        target: of the part.
        full: shape of the window's row.
    """
    first, whole = 0, True  # whether all axes behind have every place
    for along, size in zip(reversed(target), reversed(full), strict=True):
        if not isinstance(along, slice) or along.step != 1:
            return None
        if not whole and length(along) != 1:
            return None
        whole = whole and length(along) == size
    for along, size in zip(target, full, strict=True):
        first = first * size + (along.start if isinstance(along, slice) else 0)
    return first


def runs_of(inside: Sequence[Along], shape: Sequence[int]) -> tuple[NDArray[np.int64], int, int]:
    """The cells of a row that a part has: where runs begin, their length, and the step between, or 0."""
    cells = np.zeros(1, np.int64)
    if shape:
        cells = np.ravel_multi_index(np.ix_(*map(numbers_of, inside)), tuple(shape)).reshape(-1)
    steps = np.diff(cells)
    if len(cells) > 1 and (steps == steps[0]).all():
        step = int(steps[0])
        return (cells[:1], len(cells), 0) if step == 1 else (cells, 1, max(0, step))
    run = length(inside[-1]) if inside and isinstance(inside[-1], slice) and inside[-1].step == 1 else 1
    return (cells[::run], run, 0) if run >= RUN else (cells, 1, 0)
