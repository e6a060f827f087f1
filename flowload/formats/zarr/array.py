"""A zarr array (version 2 or 3) as something whose windows of rows are read into memory that is there.

The fastest way that this array and this machine allow is taken, in this order:

    pread            chunks as they are, on a local disk: positional reads straight into the window
    pread + <codec>  compressed chunks on a local disk: read and decoded, each into reused memory
    zarrs            whatever else is in a local folder (filters, other codecs), where `zarrs` is installed
    zarr-python      everything else: other stores, other codecs; and what the others read otherwise

Chunks may be files, or lie in shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.zarr.chunks.grid import Grid
from flowload.formats.zarr.chunks.places import layout_of

from .metadata import MOST_BYTES, Document, array_document, make_array
from .opening import (
    OpenArray,
    agrees,
    by_library,
    by_zarrs,
    check_memory,
    has_zarrs,
    nothing_stored,
    own_reader,
    tell_repeated,
)
from .stores import Place, find_place

if TYPE_CHECKING:
    import zarr

__all__ = ["OpenArray", "ZarrArray", "is_count"]

ROUTES = ("pread", "zarrs", "zarr-python")


@dataclass(frozen=True, repr=False)
class ZarrArray:
    """Where an array is, and how much of it is wanted; a value, opened by each run for itself.

    Args:
        location: of a folder, a zip, an array inside a zip (`x.zip/a.zarr`), or a URL (`s3://bucket/a.zarr`).
        columns: only so many of the last axis, such as the first columns of a stimulus; None: all.
        neurons: only so many of axis 1; None: all.
        options: for the file system of a URL.
        route: "pread", "zarrs" or "zarr-python" instead of the fastest that fits.
    """

    location: str
    columns: int | None = None
    neurons: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    route: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "location", str(self.location))
        for name, limit in (("columns", self.columns), ("neurons", self.neurons)):
            if limit is not None and not is_count(limit):
                raise GraphError(f"{self.location}: {name} is {limit!r}; wanted a number from 1, or None")
        if self.route is not None and self.route not in ROUTES:
            raise GraphError(
                f"{self.location}: route is {self.route!r}; wanted one of {', '.join(map(repr, ROUTES))}"
            )

    def __repr__(self) -> str:
        given = {"columns": self.columns, "neurons": self.neurons, "route": self.route}
        limits = "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)
        return f"ZarrArray({self.location!r}{limits})"

    def open(self, *, compare: bool = True, empty: bool = False) -> OpenArray:
        """Read the metadata and choose the way. Raises NoDataError, DataError and MissingExtra.

        Args:
            compare: read some chunks by zarr-python, too; where it reads others, it reads them all.
            empty: whether it may be that no chunk exists; then the array's `nothing` says so.
        """
        place = find_place(self.location, self.options)
        try:
            document = array_document(place, self.location)
            array = make_array(place, document, self.location, "zarr-python")
            grid = self.grid(array)
            tell_repeated(place, self.location)
            nothing = nothing_stored(place, array, grid, self.location)
            if nothing is not None and not empty:
                raise nothing
            reader = self.reader(place, document, array, grid, compare=compare)
            reader.nothing = nothing
        except BaseException:
            place.close()
            raise
        return reader

    def shape(self) -> tuple[int, ...]:
        """As its metadata say, whatever else is there. Raises NoDataError and DataError."""
        place = find_place(self.location, self.options)
        try:
            return tuple(array_document(place, self.location)["shape"])
        finally:
            place.close()

    def reader(
        self, place: Place, document: Document, array: zarr.Array[Any], grid: Grid, *, compare: bool
    ) -> OpenArray:
        """The fastest reader that reads this array correctly."""
        layout = layout_of(document)
        own = own_reader(self.location, document, array, grid, place)
        if own is None or not own.in_parts:
            check_memory(grid if own is None else own.grid, self.location)
        theirs = by_library(self.location, document, grid, place, layout)
        reader: OpenArray | None = own if self.route in (None, "pread") else None
        if self.route == "zarrs" or (self.route is None and place.local and own is None and has_zarrs()):
            reader = by_zarrs(self.location, document, grid, place, layout)
        if self.route not in (None, "zarr-python") and (reader is None or not place.files):
            raise DataError(f"not for {self.route}", where=self.location, found="filters or another store")
        if reader is None or (compare and not agrees(reader, theirs, document)):
            return theirs
        if reader is own:
            place.close()  # only for its metadata
        return reader

    def grid(self, array: zarr.Array[Any]) -> Grid:
        """Its chunks, and how far it is read. Raises DataError where this is no recording."""
        shape = array.shape
        if not shape or array.dtype.kind not in "biufc":
            found = f"{array.dtype}{list(shape)}"
            wanted = "numbers, one row a moment or sample; name the arrays that are wanted, without it"
            raise DataError("no array of numbers over time", where=self.location, found=found, wanted=wanted)
        if 0 in shape:
            raise NoDataError("no rows", where=self.location, found=f"shape {list(shape)}")
        chunks = array.shards or array.chunks  # what one file holds
        grid = Grid(tuple(shape), tuple(chunks), self.take(shape), array.dtype.itemsize)
        if prod(shape) * grid.itemsize > MOST_BYTES:
            found, wanted = f"shape {list(shape)}", f"at most {MOST_BYTES:,} bytes"
            raise DataError("bad zarr metadata", where=self.location, found=found, wanted=wanted)
        return grid

    def take(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The part of each axis that is wanted. Raises DataError where there is less."""
        take = list(shape)
        limits = {"neurons": (1, self.neurons), "columns": (len(shape) - 1, self.columns)}
        for name, (axis, limit) in limits.items():
            if limit is None:
                continue
            if axis < 1 or axis >= len(shape) or limit > take[axis]:
                found = f"shape {list(shape)}"
                raise DataError(f"too few {name}", where=self.location, found=found, wanted=f"{limit} {name}")
            take[axis] = limit
        return tuple(take)


def is_count(value: object) -> bool:
    """A whole number from 1; a bool is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
