"""Which part of each row of an array a window has under one key: columns, neurons, and in which dtype."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.kernels.rows.cells import gather_cells, stream_cells, words_of

from .along import Along, Wanted, along_axis, bounds, length, numbers_of, places_of
from .halves import is_half, write_halves
from .units import Scale

__all__ = ["Extract", "Part", "extract_of"]

WIDE = 512  #: bytes of a row, in eight lines, from which streaming it is worth while
RUN = 16  #: elements that lie together, from which copying runs of them is faster than cell by cell


@dataclass(frozen=True)
class Extract:
    """What one key has of each row of an array.

    Args:
        axes: what is taken along each axis behind time.
        dropped: axes, counted behind time, of which one place is taken that is no axis of the window.
        dtype: in the window.
        where: array and key, for messages.
        scale: makes a quantity of the stored numbers; None: they stay what they are.
    """

    axes: tuple[Along, ...]
    dropped: tuple[int, ...]
    dtype: np.dtype[Any]
    where: str
    scale: Scale | None = None

    @cached_property
    def half(self) -> bool:
        """Whether its numbers have 16 bits; asked for every block, and the name of a dtype takes 8 us."""
        return is_half(self.dtype)

    @property
    def full(self) -> tuple[int, ...]:
        """The shape of a row, with axes of length 1 where one place was taken."""
        return tuple(length(along) for along in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row of the window."""
        return tuple(size for axis, size in enumerate(self.full) if axis not in self.dropped)

    @property
    def hull(self) -> tuple[slice, ...]:
        """The smallest box of a row that has all of it."""
        return tuple(bounds(along) for along in self.axes)

    def takes_all(self, shape: Sequence[int], dtype: np.dtype[Any]) -> bool:
        """Whether it is every cell of rows of this shape, as they are."""
        return (
            self.scale is None
            and self.dtype == dtype
            and all(
                isinstance(along, slice) and along == slice(0, size, 1)
                for along, size in zip(self.axes, shape, strict=True)
            )
        )

    def parts(self, chunks: Sequence[int]) -> Iterator[Part]:
        """What of it lies in which chunk; chunks that hold none of it are left out.

        Args:
            chunks: their shape, behind time.
        """
        along = [list(places_of(axis, size)) for axis, size in zip(self.axes, chunks, strict=True)]
        for sides in product(*along):
            coords, inside, target = zip(*sides, strict=True) if sides else ((), (), ())
            yield Part(tuple(coords), tuple(inside), tuple(target))

    def view(self, out: NDArray[Any]) -> NDArray[Any]:
        """Rows of the window, with all axes of the array."""
        return out.reshape(len(out), *self.full)

    def write(self, block: NDArray[Any], part: Part, out: NDArray[Any], *, large: bool = False) -> None:
        """Copy its part of rows of a chunk to the same rows of a window.

        Raises DataError where a number is too large for the dtype that was asked for.

        Args:
            block: (rows, ...) of one chunk, in any byte order.
            part: which of it, and where to.
            out: (rows, ...) of the window, as `view` gives it.
            large: that leaves the caches before anybody reads it.
        """
        if self.scale is not None:
            self.put(self.scale.of(part.of(block), part.target[0] if part.target else None), part, out)
            return
        half = self.half and block.dtype != self.dtype
        straight = part.target_is_all(out.shape[1:]) and out.flags.c_contiguous
        if straight and not half and block.dtype == self.dtype and part.gather(block, out, large=large):
            return
        self.put(part.of(block), part, out)

    def put(self, found: NDArray[Any], part: Part, out: NDArray[Any]) -> None:
        """Write numbers of a part to their places, in the dtype that is wanted. Raises DataError."""
        half = self.half and found.dtype != self.dtype
        target: Any = (slice(None), *part.target)
        if any(not isinstance(along, slice) for along in part.target):
            target = np.ix_(np.arange(len(out)), *(numbers_of(along) for along in part.target))
            out[target] = self.narrow(found) if half else found
        elif half:
            write_halves(found, out[target], self.where)
        else:
            np.copyto(out[target], found, casting="unsafe")

    def narrow(self, block: NDArray[Any]) -> NDArray[Any]:
        """The same numbers in halves."""
        made = np.empty(block.shape, self.dtype)
        write_halves(block, made, self.where)
        return made


class Part:
    """What of one chunk belongs to a window's rows: along each axis behind time.

    Args:
        coords: of the chunk, behind time.
        inside: places in the chunk.
        target: places in the window.
    """

    def __init__(self, coords: tuple[int, ...], inside: tuple[Along, ...], target: tuple[Along, ...]) -> None:
        self.coords = coords
        self.inside = inside
        self.target = target
        self.shape = tuple(map(length, inside))
        #: where a row is copied in long runs, which need no list of cells
        self.runs = isinstance(last := inside[-1] if inside else ALL, slice) and (
            last.step == 1 and length(last) >= RUN
        )
        self.known: tuple[tuple[int, ...], NDArray[np.uint64]] | None = None
        self.whole: tuple[tuple[int, ...], bool] | None = None

    def target_is_all(self, shape: Sequence[int]) -> bool:
        """Whether it is all of the window's rows, in order."""
        if self.whole is None or self.whole[0] != shape:
            sides = zip(self.target, shape, strict=True)
            every = all(isinstance(along, slice) and along == slice(0, size, 1) for along, size in sides)
            self.whole = tuple(shape), every
        return self.whole[1]

    def moved(self, begins: Sequence[int]) -> Part:
        """The same, counted from where a box begins."""
        inside = tuple(
            slice(along.start - begin, along.stop - begin, along.step)
            if isinstance(along, slice)
            else along - begin
            for along, begin in zip(self.inside, begins, strict=True)
        )
        return Part(self.coords, inside, self.target)

    def of(self, block: NDArray[Any]) -> NDArray[Any]:
        """Its cells of rows of a chunk: a view, or an array of their own."""
        if all(isinstance(along, slice) for along in self.inside) and (self.runs or not plain(block)):
            found: NDArray[Any] = block[(slice(None), *self.inside)]
            return found
        out: NDArray[Any] = np.empty((len(block), *self.shape), block.dtype)
        if not self.gather(block, out):
            out = block[np.ix_(np.arange(len(block)), *map(numbers_of, self.inside))]
        return out

    def gather(self, block: NDArray[Any], out: NDArray[Any], *, large: bool = False) -> bool:
        """Write its cells of each row to `out`, C-contiguous; False where numpy does that as fast.

        Args:
            block: rows of a chunk.
            out: of them.
            large: `out` is of a window that leaves the caches before anybody reads it.
        """
        words = words_of(block) if plain(block) and not self.runs else None
        if words is None:
            return False
        cells, rows = self.cells(block.shape[1:]), words.reshape(len(block), -1)
        if large and len(cells) * words.itemsize >= WIDE:
            stream_cells(out.reshape(-1).view(np.uint8), rows, cells, np.empty(len(cells), words.dtype))
        else:
            gather_cells(out.reshape(len(out), -1).view(words.dtype), rows, cells)
        return True

    def cells(self, shape: tuple[int, ...]) -> NDArray[np.uint64]:
        """The numbers of its cells in a row of this shape; made once: a chunk has thousands of blocks."""
        if self.known is None or self.known[0] != shape:
            grid = np.ix_(*map(numbers_of, self.inside))
            cells = np.ravel_multi_index(grid, shape).reshape(-1) if shape else np.zeros(1, np.int64)
            self.known = shape, cells.astype(np.uint64)
        return self.known[1]


ALL = slice(0, 1, 1)


def plain(block: NDArray[Any]) -> bool:
    """Whether its elements lie one behind the other, as the machine has them."""
    return block.flags.c_contiguous and block.dtype.isnative


def extract_of(
    shape: tuple[int, ...], dtype: np.dtype[Any], wanted: Mapping[str, Wanted], where: str
) -> Extract:
    """What is wanted of an array of this shape. Raises DataError that names what is not there.

    Args:
        shape: of the array, time first.
        dtype: in the window.
        wanted: `neurons` are along axis 1, `columns` along the last.
        where: array and key, for messages.
    """
    axes: list[Along] = [slice(0, size, 1) for size in shape[1:]]
    dropped: list[int] = []
    given = {name: own for name, own in wanted.items() if own is not None}
    if len(shape) == 2 and len(given) > 1:
        found = f"shape {list(shape)}, with one axis behind time"
        raise DataError("neurons and columns of one axis", where=where, found=found, wanted="one of the two")
    for name, own in given.items():
        if len(shape) < 2:
            found = f"shape {list(shape)}"
            raise DataError(f"no {name}", where=where, found=found, wanted="an axis behind time")
        axis = 0 if name == "neurons" else len(shape) - 2
        axes[axis] = along_axis(own, shape[axis + 1], name, where)
        if isinstance(own, int):
            dropped.append(axis)
    return Extract(tuple(axes), tuple(dropped), dtype, where)
