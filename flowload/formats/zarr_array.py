"""A zarr array (version 2 or 3) as something whose windows of rows are read into memory that is there.

The fastest way that this array and this machine allow is taken, in this order:

    pread            chunks as they are, on a local disk: positional reads straight into the window
    pread + <codec>  compressed chunks on a local disk: read and decoded, each into reused memory
    zarrs            whatever else is in a local folder (shards, filters), where `zarrs` is installed
    zarr-python      everything else: other stores, other codecs
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

from flowload.errors import DataError, GraphError, NoDataError

from .chunk_codecs import coding_of
from .chunk_grid import Grid
from .zarr_chunks import ChunkReader
from .zarr_library import LibraryReader
from .zarr_stores import Place, find_place

if TYPE_CHECKING:
    import zarr

__all__ = ["OpenArray", "ZarrArray", "is_count"]

OpenArray: TypeAlias = ChunkReader | LibraryReader

ROUTES = ("pread", "zarrs", "zarr-python")
PIPELINES = {
    "zarrs": "zarrs.ZarrsCodecPipeline",
    "zarr-python": "zarr.core.codec_pipeline.BatchedCodecPipeline",
}


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

    def open(self) -> OpenArray:
        """Read the metadata and choose the way. Raises NoDataError, DataError and MissingExtra."""
        place = find_place(self.location, self.options)
        try:
            return self.opened(place)
        except BaseException:
            place.close()
            raise

    def opened(self, place: Place) -> OpenArray:
        """The array in its store."""
        array = open_array(place, self.location, "zarr-python")
        grid = self.grid(array)
        coding = coding_of(array.metadata.to_dict(), array.dtype)
        if self.route in (None, "pread") and place.files is not None and coding is not None:
            place.close()  # only for its metadata
            return ChunkReader(self.location, grid, array, coding, place.files)
        if self.route == "pread" or (self.route == "zarrs" and not place.local):
            raise DataError(
                f"not for {self.route}", where=self.location, found="shards, filters or another store"
            )
        if self.route == "zarrs" or (self.route is None and place.local and find_spec("zarrs")):
            array = open_array(place, self.location, "zarrs")
            return LibraryReader(self.location, "zarrs", grid, array, place)
        from .zarr_counted import CountedStore  # noqa: PLC0415 - imports zarr

        place = place._replace(store=CountedStore(place.store))
        array = open_array(place, self.location, "zarr-python")
        return LibraryReader(self.location, "zarr-python", grid, array, place)

    def grid(self, array: zarr.Array[Any]) -> Grid:
        """Its chunks, and how far it is read. Raises DataError where this is no recording."""
        shape = array.shape
        if not shape or array.dtype.kind not in "biufc":
            found = f"{array.dtype}{list(shape)}"
            raise DataError("no array of numbers over time", where=self.location, found=found)
        if 0 in shape:
            raise NoDataError("no rows", where=self.location, found=f"shape {list(shape)}")
        chunks = array.shards or array.chunks  # what one file holds
        return Grid(tuple(shape), tuple(chunks), self.take(shape), array.dtype.itemsize)

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


def open_array(place: Place, location: str, pipeline: str) -> zarr.Array[Any]:
    """The array as zarr-python sees it, with a codec pipeline. Raises NoDataError and DataError."""
    import zarr  # noqa: PLC0415 - takes 160 ms, and starts a thread when it is used
    import zarr.errors  # noqa: PLC0415

    try:
        with zarr.config.set({"codec_pipeline.path": PIPELINES[pipeline]}):
            return zarr.open_array(place.store, path=place.path, mode="r")
    except (zarr.errors.NodeNotFoundError, FileNotFoundError) as error:
        raise NoDataError(
            "no zarr array", where=location, found=str(error), wanted="zarr.json or .zarray"
        ) from None
    except (ValueError, TypeError, KeyError, zarr.errors.BaseZarrError) as error:
        raise DataError("bad zarr metadata", where=location, found=repr(error)) from error
