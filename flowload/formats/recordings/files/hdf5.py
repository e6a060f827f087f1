"""Recordings in HDF5: any dataset (T, ...) of numbers, by its path. Needs h5py.

What lies in one piece is memory-mapped, chunks of whole rows are read and inflated past h5py, and everything
else is read by it, chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import Numbers
from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.files.guard import Guard
from flowload.formats.hdf5.chunks import Gaps
from flowload.formats.hdf5.columns import ChunksColumn, CodedColumn, DatasetColumn
from flowload.formats.hdf5.file import Hdf5File, text_of
from flowload.formats.recordings.boxes import Box, BoxSeries
from flowload.formats.recordings.selection.units import Units
from flowload.formats.recordings.series import Lacks, NoGaps, Options
from flowload.formats.rows.columns import import_extra
from flowload.formats.rows.npy import MappedColumn

from .local import ends_with, local_file, no_array, starts_with, which_array
from .mapped import check_numbers

__all__ = ["Hdf5Kind", "open_dataset"]

MAGIC = b"\x89HDF\r\n\x1a\n"
PLACES = (0, 512, 1024, 2048, 4096)  #: where it may stand, behind a block of the user's
ENDINGS = (".h5", ".hdf5", ".hdf", ".he5", ".nwb")
USUAL = "timeseries"  #: the dataset that is the recording, where there are others


class Hdf5Kind:
    """See `Kind`: a file of HDF5 on a local disk."""

    name: ClassVar[str] = "HDF5"

    def knows(self, location: str) -> bool:
        """See `Kind`."""
        path = local_file(location)
        return ends_with(location, *ENDINGS) or (path is not None and starts_with(path, MAGIC, PLACES))

    def arrays(self, location: str, options: Options) -> Sequence[str]:  # noqa: ARG002 - local
        """See `Kind`."""
        guard = Guard()
        file = Hdf5File(location, guard)
        try:
            return self.names(file)
        finally:
            file.close()
            guard.close()

    def names(self, file: Hdf5File) -> list[str]:
        """The datasets of numbers, by their paths."""
        return [name for name, _ in datasets_in(file)]

    def path_of(self, file: Hdf5File, name: str) -> str:  # noqa: ARG002 - others know more names than paths
        """The path of the dataset that an array's name stands for."""
        return name

    def units_of(self, file: Hdf5File, path: str) -> Units | None:  # noqa: ARG002 - others are told of some
        """What makes a quantity of a dataset's numbers, where the file says so."""
        return None

    def open(self, location: str, array: str | None, options: Options, *, estimate: bool) -> BoxSeries:  # noqa: ARG002 - local; it costs little to open
        """See `Kind`."""
        guard = Guard()
        file = Hdf5File(location, guard)
        try:
            names = self.names(file)
            name = array if array is not None else USUAL if USUAL in names else which_array(location, names)
            path = self.path_of(file, name.strip("/"))
            with foreign("unreadable", location):
                known = path in file.file
            if not known:
                raise no_array(location, name, names)
            return replace(open_dataset(file, path, guard), units=self.units_of(file, path))
        except BaseException:
            file.close()
            guard.close()
            raise


def datasets_in(file: Hdf5File) -> list[tuple[str, Any]]:
    """Datasets of numbers with at least one axis, by their paths, in the order of names. Raises DataError."""
    h5py = import_extra("h5py", "hdf5")
    found: list[tuple[str, Any]] = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape and item.size and item.dtype.kind in "biuf":
            found.append((text_of(name), item))

    with foreign("unreadable", file.path):
        file.file.visititems(look)
    return found


def open_dataset(file: Hdf5File, path: str, guard: Guard) -> BoxSeries:
    """A dataset as a series, which closes the file with it. Raises DataError."""
    column = file.column(path)
    where = f"{file.path}: {path}"
    check_numbers(where, column.shape, column.dtype)
    boxes = boxes_of(column, guard)
    files = [Path(file.path)]

    def close() -> None:
        boxes.close()
        file.close()
        guard.close()

    return BoxSeries(
        location=where,
        shape=column.shape,
        dtype=column.dtype,
        chunks=boxes.chunks,
        route=boxes.route,
        read_box=boxes.read,
        files=files,
        gaps=boxes.gaps,
        closing=close,
    )


def boxes_of(column: Any, guard: Guard) -> MappedBoxes | ChunkBoxes | LibraryBoxes:
    """What reads boxes of a dataset, by how it lies in the file."""
    if isinstance(column, MappedColumn):
        return MappedBoxes(column, guard)
    return ChunkBoxes(column, guard) if isinstance(column, ChunksColumn) else LibraryBoxes(column, guard)


class MappedBoxes:
    """Of a dataset in one piece, mapped to memory."""

    route: ClassVar[str] = "memory map"
    gaps: ClassVar[Lacks] = NoGaps()

    def __init__(self, column: MappedColumn, guard: Guard) -> None:
        self.column, self.guard = column, guard
        self.chunks = (1,) * len(column.shape)

    def read(self, box: Box, out: NDArray[Any]) -> None:
        """Write a box."""
        with self.guard:
            out[...] = self.column.array[box]

    def close(self) -> None:
        """Let go of the map."""
        self.column.close()


class ChunkBoxes:
    """Of chunks of whole rows, compressed or not, read past h5py."""

    def __init__(self, column: ChunksColumn, guard: Guard) -> None:
        self.column, self.guard = column, guard
        self.chunks = (column.chunk, *column.shape[1:])
        self.gaps: Lacks = gaps_of(column.gaps)
        self.route = "inflated chunks" if isinstance(column, CodedColumn) else "mapped chunks"

    def read(self, box: Box, out: NDArray[Any]) -> None:
        """Write a box, chunk by chunk."""
        column, (rows, *rest) = self.column, box
        with self.guard:
            for number in range(rows.start // column.chunk, -(-rows.stop // column.chunk)):
                first = number * column.chunk
                begin, stop = max(rows.start, first), min(rows.stop, first + column.chunk)
                inside = (slice(begin - first, stop - first), *rest)
                out[begin - rows.start : stop - rows.start] = self.chunk(number)[inside]

    def chunk(self, number: int) -> NDArray[Any]:
        """The rows of a chunk. Raises DataError."""
        column = self.column
        if isinstance(column, CodedColumn):
            return column.expanded(number)
        memory, begins = column.table()[:2]
        if begins[number] < 0:
            return np.broadcast_to(column.fill, self.chunks)
        data = memory[begins[number] :][: column.chunk * column.width]
        rows: NDArray[Any] = data.view(column.stored).reshape(self.chunks)
        return rows

    def close(self) -> None:
        """Let go of the map."""
        self.column.close()


class LibraryBoxes:
    """Of whatever else there is: h5py reads it, one thread at a time by its own lock."""

    def __init__(self, column: DatasetColumn, guard: Guard) -> None:
        self.column, self.guard = column, guard
        dataset = column.dataset
        inner = column.shape[len(dataset.shape) :]
        self.chunks = (*(dataset.chunks or (1,) * len(dataset.shape)), *inner)
        self.gaps: Lacks = gaps_of(column.gaps)
        self.route = f"h5py {import_extra('h5py', 'hdf5').__version__}"

    def read(self, box: Box, out: NDArray[Any]) -> None:
        """Write a box."""
        column = self.column
        with self.guard, foreign("unreadable", column.place(box[0].start, box[0].stop)):
            if column.dataset.dtype.subdtype is not None:
                outer = len(column.dataset.shape)
                out[...] = column.dataset[box[:outer]][(..., *box[outer:])]
                return
            if column.gaps is not None:
                out[...] = np.zeros((), out.dtype)  # without a fill value HDF5 leaves memory as it is
            column.dataset.read_direct(out, box)

    def close(self) -> None:
        """Whoever opened the file closes it."""


def gaps_of(gaps: Gaps | None) -> Lacks:
    """What of a dataset was never written."""
    return NoGaps() if gaps is None else ChunkGaps(gaps)


class ChunkGaps:
    """See `Lacks`."""

    any = True  #: it is known of the dataset that something is missing

    def __init__(self, gaps: Gaps) -> None:
        self.gaps = gaps
        self.reads = 0

    def look(self, rows: Numbers) -> None:
        """Nothing to find out first."""

    def mask(self, rows: Numbers) -> NDArray[np.bool_] | None:
        """See `Lacks`."""
        lost = self.gaps.absent(rows)
        if lost is None or not lost.any():
            return None
        return lost

    def lack(self, row: int | None = None) -> DataError:
        """See `Lacks`."""
        return self.gaps.lack(row)
