"""Recordings over time: arrays of equal length, from which windows of rows are read.

A recording is a folder (or zip, or URL) with `timeseries.zarr` (T, N, C), perhaps beside `metadata.zarr`
(N, 5); any arrays (T, ...) by name; or a file of another kind, see `kinds`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import PurePosixPath
from typing import Any, ClassVar, TypeAlias

import numpy as np

from flowload.abc.needs import Need
from flowload.abc.records import Fields, Missing
from flowload.errors import DataError, GraphError
from flowload.formats.missing import check_missing
from flowload.formats.zarr.array import ZarrArray, is_count
from flowload.formats.zarr.members import key_of
from flowload.kernels.rows.cells import gather_cells, stream_cells, to_bfloat16, to_float16

from .kinds import Location, open_array
from .part import OpenPart
from .range import RangeReader
from .selection.along import Wanted, numbers_of
from .selection.extract import Extract, extract_of
from .selection.halves import float_of
from .selection.select import TAKEN, Select, Selection, conversion_of, selection_of
from .selection.taking import kernels_of_parts
from .selection.units import converted_dtype
from .series import Series
from .simulated import simulate
from .table import RecordingTable
from .zarr_kind import SERIES, metadata_of

__all__ = ["Location", "Recording", "RecordingTable", "ZarrArray", "metadata_of", "recording", "simulate"]

Named: TypeAlias = tuple[tuple[str, ZarrArray], ...]  #: the arrays of one recording
RowsOf: TypeAlias = tuple[int, int | None]  #: first row, and behind the last; None: to the end


@dataclass(frozen=True)
class Recording:
    """Recordings with the same arrays, and the size of a window; see `recording`."""

    parts: tuple[Named, ...]
    size: int
    missing: Missing = "fill"
    select: Selection = ()
    rows: tuple[RowsOf, ...] | None = None  #: of each recording
    dtype: str | None = None
    conversion: bool | None = None

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
        opened: list[OpenPart] = []
        try:
            for number, named in enumerate(self.parts):
                rows = None if self.rows is None else self.rows[number]
                opened.append(self.open_part(named, rows, estimate=estimate))
            return RecordingTable(opened, self.size, self.missing, short=self.rows is None)
        except BaseException:
            for part in opened:
                part.close()
            raise

    def needs(self, layout: str | None) -> Iterator[Need]:  # noqa: ARG002 - windows have one
        """The kernels of parts of rows, and of halves: see `Compiled`."""
        if self.select or self.dtype is not None:
            yield from kernels_of_parts()
        if self.select:
            words = np.empty((2, 2), np.uint32)
            yield gather_cells, (words, words, np.zeros(2, np.uint64))
            yield stream_cells, (np.empty(2, np.uint8), words, np.zeros(2, np.uint64), words[0])
        halves = {self.dtype, *(own.dtype for _, own in self.select)}
        if "float16" in halves:
            yield to_float16, (np.empty(2, np.uint16), np.empty(2, np.uint32), np.empty(2, np.float32))
        if "bfloat16" in halves:
            yield to_bfloat16, (np.empty(2, np.uint16), np.empty(2, np.uint32))

    def sketch(self) -> RecordingTable:
        """Opened to ask for sizes: nothing will be read. Raises NoDataError and DataError."""
        return self.open(estimate=True)

    def ranges(self, workers: int) -> RangeReader:
        """What reads ranges of rows of the first recording. Raises NoDataError and DataError."""
        rows = None if self.rows is None else self.rows[0]
        return RangeReader(self.open_part(self.parts[0], rows, estimate=False), workers, self.missing)

    def open_part(self, named: Named, rows: RowsOf | None, *, estimate: bool) -> OpenPart:
        """One of the recordings."""
        series: dict[str, Series] = {}
        keys: dict[str, tuple[str, Extract]] = {}
        stored: dict[str, Series] = {}  # of which nobody said that stored numbers are wanted, or not
        select = self.select or tuple((name, Select(array=name)) for name, _ in named)
        try:
            for key, own in select:
                name, where, inner = located(named, own.array, key)
                if name not in series:
                    series[name] = open_array(where, inner, estimate=estimate)
                keys[key] = name, self.extract(key, own, series[name])
                if self.converts(own) is None and name not in stored:
                    stored[name] = series[name]
            return OpenPart(series, keys, rows, list(filter(None, map(stored_numbers, stored.values()))))
        except BaseException:
            for each in series.values():
                each.close()
            raise

    def converts(self, own: Select) -> bool | None:
        """Whether a key has quantities; None: nobody said so."""
        return self.conversion if own.conversion is None else own.conversion

    def extract(self, key: str, own: Select, series: Series) -> Extract:
        """What a key has of an array. Raises DataError."""
        wanted: dict[str, Wanted] = {"neurons": own.neurons, "columns": own.columns}
        told, converts = own.dtype or self.dtype, bool(self.converts(own))
        stored = converted_dtype(series.dtype) if converts else series.dtype
        dtype = stored if told is None else float_of(told)
        where = f"{series.location}: key {key!r}"
        found = extract_of(series.shape, dtype, wanted, where)
        if not converts:
            return found
        if series.units is None:
            wanted_instead = "conversion=True for time series of NWB alone"
            raise DataError(
                "no conversion", where=where, found="nothing said of units", wanted=wanted_instead
            )
        places = numbers_of(found.axes[0]) if found.axes else None
        return replace(found, scale=series.units.scale(series.shape, places))


def stored_numbers(series: Series) -> str | None:
    """What is told of an array whose numbers are no quantities; None: they are."""
    if series.units is None or not series.units.changes:
        return None
    ways_out = "conversion=True makes them that, conversion=False keeps them"
    return f"{series.location}: numbers are as they are stored: {series.units}; {ways_out}"


def located(named: Named, array: str | None, key: str) -> tuple[str, ZarrArray, str | None]:
    """The name of an array of a recording, the place it is in, and its name there (None: the place itself).

    Raises GraphError that lists those that can be named.
    """
    known = dict(named)
    if array is None and len(named) == 1:
        return (*named[0], None)
    if array in known:
        return array, known[array], None
    if len(named) == 1 and array is not None:
        return array, named[0][1], array
    names = ", ".join(map(repr, known))
    raise GraphError(f"windows: select[{key!r}]: array is {array!r}; the arrays are {names}")


def recording(  # noqa: PLR0913 - what is read, and how
    arrays: Location | Mapping[str, Location] | Sequence[Location | Mapping[str, Location]],
    size: int,
    *,
    columns: int | Mapping[str, int] | None = None,
    neurons: int | Mapping[str, int] | None = None,
    missing: Missing = "fill",
    select: Mapping[str, Any] | None = None,
    rows: Any = None,
    dtype: Any = None,
    conversion: bool | None = None,
) -> Recording:
    """Recordings by the places of their arrays, for `window_starts`.

    Args:
        arrays: a folder, zip or URL of a recording or of one array; arrays by name; or a list of those,
            for several recordings.
        size: rows of a window.
        columns: read only so many of the last axis of every array, or of arrays by name.
        neurons: read only so many of axis 1.
        missing: what windows do that lack a chunk.
        select: what each key of a window has; see `select`.
        rows: (first, behind the last) that are used, of every recording, or a list of those.
        dtype: of all numbers of the windows: see `halves.FLOATS`.
        conversion: whether stored numbers are made quantities: see `units`. None: no, and it is told.
    """
    several = isinstance(arrays, Sequence) and not isinstance(arrays, str)
    given = list(arrays) if isinstance(arrays, Sequence) and several else [arrays]
    if not given:
        raise GraphError("windows: no recordings; wanted at least one")
    parts = [named(part) for part in given]  # type: ignore[arg-type]  # checked there
    for name, limits in (("columns", columns), ("neurons", neurons)):
        parts = [limited(part, name, limits) for part in parts]
    selection = selection_of(select)
    for part in parts:
        for key, own in selection:
            located(part, own.array, key)
    return Recording(
        tuple(parts),
        size,
        missing,
        selection,
        rows_of_each(rows, len(parts)),
        None if dtype is None else float_of(dtype).name,
        conversion_of(conversion, "windows: conversion"),
    )


def rows_of_each(rows: Any, count: int) -> tuple[RowsOf, ...] | None:
    """The rows of each recording that are used. Raises GraphError."""
    if rows is None:
        return None
    if isinstance(rows, list) and all(part is None or is_whole(part) for part in rows):
        rows = tuple(rows)  # a pair as JSON writes it
    each = list(rows) if isinstance(rows, list) else [rows] * count
    if len(each) != count:
        raise GraphError(f"windows: rows has {len(each)} ranges; wanted one for each of {count} recordings")
    return tuple(map(range_of, each))


def range_of(rows: Any) -> RowsOf:
    """A range of rows. Raises GraphError."""
    pair = tuple(rows) if isinstance(rows, tuple) else ()
    if len(pair) == 2:
        begin, end = (int(part) if is_whole(part) else part for part in pair)
        begin = 0 if begin is None else begin
        if isinstance(begin, int) and begin >= 0 and (end is None or (isinstance(end, int) and end > begin)):
            return begin, end
    raise GraphError(f"windows: rows is {rows!r}; wanted (first, behind the last), from 0, or a list of them")


def is_whole(value: object) -> bool:
    """A whole number, of Python or numpy."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


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
