"""Recordings over time in zarr: arrays of equal length, from which windows of rows are read.

A recording is a folder (or zip, or URL) with `timeseries.zarr` (T, N, C), perhaps beside `metadata.zarr`
(N, 5); or any arrays (T, ...) by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import PurePosixPath
from typing import ClassVar, TypeAlias

from flowload.abc.records import Fields, Missing
from flowload.errors import DataError, GraphError, NoDataError
from flowload.formats.missing import check_missing
from flowload.formats.zarr.array import ZarrArray, is_count
from flowload.formats.zarr.members import key_of
from flowload.formats.zarr.opening import OpenArray
from flowload.formats.zarr.stores import join_location

from .simulated import simulate
from .table import RecordingTable

__all__ = ["Location", "Recording", "RecordingTable", "ZarrArray", "metadata_of", "recording", "simulate"]

SERIES, METADATA = "timeseries", "metadata"
TAKEN = ("start", "recording")  #: what windows carry beside their arrays

Location: TypeAlias = str | PathLike[str] | ZarrArray
Named: TypeAlias = tuple[tuple[str, ZarrArray], ...]  #: the arrays of one recording


@dataclass(frozen=True)
class Recording:
    """Recordings with the same arrays, and the size of a window; see `recording`."""

    parts: tuple[Named, ...]
    size: int
    missing: Missing = "fill"

    name: ClassVar[str] = "recording"
    layouts: ClassVar[Sequence[str]] = ("windows",)

    def __post_init__(self) -> None:
        if not is_count(self.size):
            raise GraphError(f"windows: size is {self.size!r}; wanted a number of rows from 1")
        check_missing(self.missing, "windows")

    def fields(self, layout: str) -> Fields:
        """Of the windows; nothing where the arrays cannot be opened now."""
        try:
            table = self.open(estimate=True)
        except (DataError, OSError):
            return {}
        try:
            return table.fields(layout)
        finally:
            table.close()

    def open(self, *, estimate: bool = False) -> RecordingTable:
        """Open every array, and compare their lengths. Raises NoDataError and DataError.

        Args:
            estimate: nothing will be read: no matter how, and whether there is something.
        """
        opened: list[dict[str, OpenArray]] = []
        try:
            for named in self.parts:
                opened.append({})
                for name, array in named:
                    opened[-1][name] = open_series(array, estimate=estimate)
                check_neurons(named, opened[-1])
            return RecordingTable(opened, self.size, self.missing)
        except BaseException:
            for own in (own for arrays in opened for own in arrays.values()):
                own.close()
            raise


def recording(
    arrays: Location | Mapping[str, Location] | Sequence[Location | Mapping[str, Location]],
    size: int,
    *,
    columns: int | Mapping[str, int] | None = None,
    neurons: int | Mapping[str, int] | None = None,
    missing: Missing = "fill",
) -> Recording:
    """Recordings by the places of their arrays, for `window_starts`.

    Args:
        arrays: a folder, zip or URL of a recording or of one array; arrays by name; or a list of those,
            for several recordings.
        size: rows of a window.
        columns: read only so many of the last axis of every array, or of arrays by name.
        neurons: read only so many of axis 1.
        missing: what windows do that lack a chunk.
    """
    several = isinstance(arrays, Sequence) and not isinstance(arrays, str)
    given = list(arrays) if isinstance(arrays, Sequence) and several else [arrays]
    if not given:
        raise GraphError("windows: no recordings; wanted at least one")
    parts = [named(part) for part in given]  # type: ignore[arg-type]  # checked there
    for name, limits in (("columns", columns), ("neurons", neurons)):
        parts = [limited(part, name, limits) for part in parts]
    return Recording(tuple(parts), size, missing)


def named(arrays: Location | Mapping[str, Location]) -> Named:
    """The arrays of one recording by name. Raises GraphError for what names none."""
    if isinstance(arrays, Mapping):
        if not arrays or not all(isinstance(name, str) for name in arrays):
            raise GraphError(f"windows: arrays are {dict(arrays)!r}; wanted at least one, by name")
        if taken := [name for name in arrays if name in TAKEN]:
            raise GraphError(f"windows: no array can be called {taken[0]!r}, as a window's own number is")
        return tuple((name, as_array(array)) for name, array in arrays.items())
    array = as_array(arrays)
    name = PurePosixPath(array.location).name
    own = key_of(name) if name.endswith(".zarr") else SERIES
    return ((own if own not in TAKEN else SERIES, array),)


def as_array(array: object) -> ZarrArray:
    """The place of an array. Raises GraphError."""
    if isinstance(array, ZarrArray):
        return array
    if isinstance(array, str | PathLike) and str(array):
        return ZarrArray(str(array))
    raise GraphError(f"windows: an array is {array!r}; wanted a path, a URL or a ZarrArray")


def limited(arrays: Named, name: str, limits: int | Mapping[str, int] | None) -> Named:
    """The arrays with a limit for all, or for those that it names. Raises GraphError."""
    if limits is None:
        return arrays
    known = [key for key, _ in arrays]
    own = limits if isinstance(limits, Mapping) else dict.fromkeys(known, limits)
    if unknown := set(own) - set(known):
        raise GraphError(f"windows: {name} for {sorted(unknown)}; the arrays are {known}")
    return tuple((key, replace(array, **{name: own.get(key, getattr(array, name))})) for key, array in arrays)


def open_series(array: ZarrArray, *, estimate: bool) -> OpenArray:
    """An array, or the `timeseries.zarr` of a recording."""
    try:
        return array.open(compare=not estimate, empty=estimate)
    except NoDataError as error:
        if error.reason != "no zarr array":
            raise
        inner = replace(array, location=join_location(array.location, f"{SERIES}.zarr"))
        try:
            return inner.open(compare=not estimate, empty=estimate)
        except NoDataError as other:
            raise (error if other.reason == error.reason else other) from None


def check_neurons(arrays: Named, opened: Mapping[str, OpenArray]) -> None:
    """Compare a recording's neurons with its metadata, where it has some. Raises DataError."""
    for name, array in arrays:
        grid = opened[name].grid
        if opened[name].location == array.location or len(grid.shape) < 2:
            continue  # an array by itself
        metadata = metadata_of(array)
        if metadata is not None and metadata[:1] != grid.shape[1:2]:
            raise DataError(
                "other neurons in the metadata",
                where=join_location(array.location, f"{METADATA}.zarr"),
                found=f"shape {list(metadata)}",
                wanted=f"the {grid.shape[1]:,} neurons of {SERIES}.zarr",
            )


def metadata_of(array: ZarrArray) -> tuple[int, ...] | None:
    """The shape of a recording's metadata; None where it has none."""
    try:
        return ZarrArray(join_location(array.location, f"{METADATA}.zarr"), options=array.options).shape()
    except NoDataError:
        return None
