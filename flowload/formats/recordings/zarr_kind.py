"""Recordings in zarr: a folder, zip or URL of an array, or with arrays, such as `timeseries.zarr`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import ClassVar

from flowload.errors import DataError, NoDataError
from flowload.formats.recordings.series import Options
from flowload.formats.zarr.array import ZarrArray
from flowload.formats.zarr.members import group_arrays, key_of
from flowload.formats.zarr.opening import OpenArray
from flowload.formats.zarr.stores import find_place, join_location

from .zarr_series import ZarrSeries

__all__ = ["METADATA", "SERIES", "ZarrKind", "metadata_of", "open_series", "open_zarr"]

SERIES, METADATA = "timeseries", "metadata"


class ZarrKind:
    """See `Kind`. Knows everything that no other kind does: a URL tells nothing before it is opened."""

    name: ClassVar[str] = "zarr"

    def knows(self, location: str) -> bool:  # noqa: ARG002 - see the class
        """See `Kind`."""
        return True

    def arrays(self, location: str, options: Options) -> Sequence[str]:
        """See `Kind`."""
        try:
            names = group_arrays(location, options)
        except NoDataError:
            names = []
        if names is None:  # an array itself, or a folder of arrays that nobody made a group
            place = find_place(location, options)
            try:
                found = {} if place.root is None else {path.name for path in place.root.glob("*.zarr")}
            finally:
                place.close()
            names = sorted(found) or [PurePosixPath(location).name]
        return [key_of(name) for name in names]

    def open(self, location: str, array: str | None, options: Options, *, estimate: bool) -> ZarrSeries:
        """See `Kind`."""
        return open_zarr(ZarrArray(location, options=options), array, estimate=estimate)


def open_zarr(where: ZarrArray, array: str | None, *, estimate: bool) -> ZarrSeries:
    """An array in zarr: the place itself, or in it the one with this name, with or without `.zarr`."""
    name = PurePosixPath(where.location).name
    if array is None or (name.endswith(".zarr") and array in (name, key_of(name))):
        return ZarrSeries(checked(where, estimate=estimate))
    for inner in dict.fromkeys((f"{key_of(array)}.zarr", array)):
        try:
            found = replace(where, location=join_location(where.location, inner))
            return ZarrSeries(found.open(compare=not estimate, empty=estimate))
        except NoDataError as error:
            if error.reason != "no zarr array":
                raise
    try:
        known = ", ".join(map(repr, ZarrKind().arrays(where.location, where.options)))
    except DataError:
        known = ""
    wanted = f"one of {known}" if known else "a name of an array in it"
    raise NoDataError("no such array", where=where.location, found=repr(array), wanted=wanted)


def checked(where: ZarrArray, *, estimate: bool) -> OpenArray:
    """An array, or the `timeseries.zarr` of a recording, which goes with its metadata."""
    opened = open_series(where, estimate=estimate)
    try:
        check_neurons(where, opened)
    except BaseException:
        opened.close()
        raise
    return opened


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


def check_neurons(array: ZarrArray, opened: OpenArray) -> None:
    """Compare a recording's neurons with its metadata, where it has some. Raises DataError."""
    grid = opened.grid
    if opened.location == array.location or len(grid.shape) < 2:
        return  # an array by itself
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
