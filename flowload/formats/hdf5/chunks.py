"""Where the chunks of an HDF5 dataset lie, and which of them were never written."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.abc.records import Numbers
from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.formats.missing import Mask

if TYPE_CHECKING:
    import h5py

__all__ = ["NOWHERE", "Chunks", "Gaps", "GoneChunks", "find_gaps", "grid_of", "list_chunks"]

NOWHERE = -1  #: of a chunk that was never written
MOST = 1 << 27  #: chunks of which a table is made: 3 GiB


class Chunks(NamedTuple):
    """Offsets and sizes of the chunks of a dataset, in the order of their rows."""

    memory: Bytes  #: the whole file
    begins: NDArray[np.int64]
    sizes: NDArray[np.int64]
    skipped: NDArray[np.int64]  #: bit k: filter k would not have made the chunk smaller, and was left out


class Gaps(Protocol):
    """Which rows of a dataset lack data; see `missing.Incomplete`."""

    def absent(self, rows: Numbers) -> Mask | None:
        """Which of these coordinates were never written, as a mask."""

    def lack(self, row: int | None = None) -> DataError:
        """In words."""


class Listing(NamedTuple):
    """Chunks of a dataset as HDF5 lists them: those that exist."""

    offsets: NDArray[np.int64]  #: (n, axes): the first element of each
    begins: NDArray[np.uint64]
    sizes: NDArray[np.uint64]
    skipped: NDArray[np.int64]


def grid_of(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Chunks along each axis."""
    return tuple(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))


def turned_axis(dataset: h5py.Dataset) -> bool:
    """Whether the one axis that may grow without limit is not the first.

    For those with an index of HDF5 1.10 or newer (an "extensible array"), HDF5 to 2.0 at least, tells the
    chunks' offsets with the axes in another order, in units of the wrong ones.
    """
    unlimited = [axis for axis, size in enumerate(dataset.maxshape) if size is None]
    return len(unlimited) == 1 and unlimited[0] > 0


def listing_of(dataset: h5py.Dataset) -> Listing | None:
    """All chunks, in about 1 us each; None where HDF5 is too old to tell them (below 1.12.3).

    To ask for one by its number or its coordinates is no way out: HDF5 looks through all others for it.
    """
    iterate = getattr(dataset.id, "chunk_iter", None)
    if iterate is None:
        return None
    found: list[Any] = []
    iterate(
        lambda chunk: found.append((chunk.chunk_offset, chunk.byte_offset, chunk.size, chunk.filter_mask))
    )
    offsets, begins, sizes, skipped = zip(*found, strict=True) if found else ((), (), (), ())
    return Listing(
        np.array(offsets, np.int64).reshape(len(found), len(dataset.shape)),
        np.array(begins, np.uint64),
        np.array(sizes, np.uint64),
        np.array(skipped, np.int64),
    )


def first_axis(dataset: h5py.Dataset, offsets: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Which chunk along the first axis each is, where a chunk holds whole rows; None: nobody knows."""
    if not offsets[:, 1:].any():
        return offsets[:, 0] // int(dataset.chunks[0])
    # Whole rows have offset 0 along all axes but the first, so these are turned: see `turned_axis`. Only the
    # first can have another one, wherever it stands.
    used = np.flatnonzero(offsets.any(axis=0))
    if turned_axis(dataset) and len(used) == 1:
        return offsets[:, used[0]] // int(dataset.chunks[used[0]])
    return None


def list_chunks(where: str, dataset: h5py.Dataset, memory: Bytes, *, compressed: bool) -> Chunks | None:
    """Where chunks of whole rows lie; None where HDF5 does not say so that it can be relied on.

    Raises DataError for a chunk that the file does not hold.
    """
    count = grid_of(dataset)[0]
    listing = listing_of(dataset) if count <= MOST else None
    number = None if listing is None else first_axis(dataset, listing.offsets)
    if listing is None or number is None or (number.size and not 0 <= number.min() <= number.max() < count):
        return None
    ends = listing.begins + listing.sizes
    beyond = (ends < listing.begins) | (ends > len(memory))
    if beyond.any():
        found, wanted = f"{len(memory):,} bytes", f"{int(ends[beyond.argmax()]):,} bytes"
        raise DataError("truncated", where=where, found=found, wanted=wanted)
    full = prod(dataset.chunks) * dataset.dtype.itemsize
    odd = listing.sizes != full
    if not compressed and odd.any():
        found = f"a chunk of {int(listing.sizes[odd.argmax()]):,} bytes"
        raise DataError("wrong size", where=where, found=found, wanted=f"{full:,} bytes")
    begins = np.full(count, NOWHERE, np.int64)
    sizes, skipped = np.zeros(count, np.int64), np.zeros(count, np.int64)
    begins[number], sizes[number], skipped[number] = listing.begins, listing.sizes, listing.skipped
    return Chunks(memory, begins, sizes, skipped)


class GoneChunks:
    """Rows whose chunks are not all there.

    Args:
        where: file and dataset.
        gone: for each chunk along the first axis, whether it, or one beside it, was never written.
        rows: of a chunk.
        found, wanted: how many there are.
    """

    def __init__(self, where: str, gone: Mask, rows: int, found: int, wanted: int) -> None:
        self.where = where
        self.gone = gone
        self.rows = rows
        self.found = found
        self.wanted = wanted

    def absent(self, rows: Numbers) -> Mask | None:
        """See `Gaps`."""
        mask: Mask = self.gone[rows // self.rows]
        return mask

    def lack(self, row: int | None = None) -> DataError:  # noqa: ARG002 - the same for all
        """See `Gaps`."""
        return lack_of(self.where, self.found, self.wanted)


class SoughtChunks:
    """The same where nobody can list the chunks: each is asked for, once."""

    def __init__(self, where: str, dataset: h5py.Dataset, found: int) -> None:
        self.where = where
        self.dataset = dataset
        self.found = found
        self.known: dict[int, bool] = {}  # whether chunks along the first axis are gone

    def absent(self, rows: Numbers) -> Mask | None:
        """See `Gaps`."""
        numbers, places = np.unique(rows // self.dataset.chunks[0], return_inverse=True)
        gone = np.array([self.gone(number) for number in numbers.tolist()], bool)
        mask: Mask = gone[places.reshape(-1)]
        return mask

    def gone(self, number: int) -> bool:
        """Whether a chunk of this place along the first axis was never written."""
        if number not in self.known:
            chunks = self.dataset.chunks
            beside = np.ndindex(grid_of(self.dataset)[1:])
            self.known[number] = not all(
                is_stored(
                    self.dataset, tuple(k * size for k, size in zip((number, *rest), chunks, strict=True))
                )
                for rest in beside
            )
        return self.known[number]

    def lack(self, row: int | None = None) -> DataError:  # noqa: ARG002 - the same for all
        """See `Gaps`."""
        return lack_of(self.where, self.found, prod(grid_of(self.dataset)))


def is_stored(dataset: h5py.Dataset, offset: tuple[int, ...]) -> bool:
    """Whether the chunk at this offset can be had: HDF5 finds it by its index, and reads it."""
    try:
        with foreign("unreadable", dataset.name):
            dataset.id.read_direct_chunk(offset)
    except DataError:
        return False
    return True


def lack_of(where: str, found: int, wanted: int) -> DataError:
    """That some chunks were never written."""
    return DataError("missing", where=where, found=f"{found:,} of {wanted:,} chunks", wanted="all")


def find_gaps(where: str, dataset: h5py.Dataset) -> Gaps | None:
    """Which rows of a chunked dataset lack data; None: none do. What else was never written is no chunk."""
    if dataset.chunks is None:
        return None
    grid = grid_of(dataset)
    found, wanted = dataset.id.get_num_chunks(), prod(grid)
    if found >= wanted:
        return None
    listing = None if grid[0] > MOST or turned_axis(dataset) else listing_of(dataset)
    if listing is None:
        return SoughtChunks(where, dataset, found)
    number = listing.offsets[:, 0] // dataset.chunks[0]
    counts = np.bincount(number[number < grid[0]], minlength=grid[0])
    return GoneChunks(where, counts < prod(grid[1:]), dataset.chunks[0], found, wanted)
