"""Rows of zarr arrays, read as windows are: by whole chunks, the fastest way that each array allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import PurePath
from typing import Any, ClassVar

from numpy.typing import NDArray

from flowload.errors import DataError, NoDataError
from flowload.protocols import Call
from flowload.records import Fields, Numbers

from .columns import Choice, ColumnTable, check_path, pairs_of
from .runs import gather_runs
from .zarr_array import OpenArray, ZarrArray
from .zarr_stores import find_place, join_location

__all__ = ["ZarrRows"]

GAP = 64 << 10  #: bytes that are rather read in vain than left out, where chunks are not compressed


@dataclass(frozen=True, init=False)
class ZarrRows:
    """Records of zarr arrays (version 2 or 3): row i of each array belongs to sample i.

    Each chunk is read once a batch, so chunks of few rows are best for random order.

    Args:
        location: a group or an array: a folder, a zip, or a URL such as `s3://bucket/data.zarr`.
        arrays: names of arrays in the group, or names by key of the batch; None: all arrays of the group,
            or the array itself.
        options: for the file system of a URL.
    """

    location: str
    arrays: Choice | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)

    name: ClassVar[str] = "zarr"
    layouts: ClassVar[Sequence[str]] = ColumnTable.layouts

    def __init__(self, location: Any, arrays: Any = None, options: Mapping[str, Any] | None = None) -> None:
        object.__setattr__(self, "location", check_path(location, "ZarrRows"))
        object.__setattr__(self, "arrays", pairs_of(arrays, "ZarrRows: arrays"))
        object.__setattr__(self, "options", dict(options or {}))

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - the arrays say
        """Not known before the arrays are open."""
        return {}

    def open(self) -> ColumnTable:
        """Read the metadata. Raises DataError and MissingExtra."""
        opened: dict[str, ZarrColumn] = {}
        try:
            for key, location in self.locations():
                opened[key] = ZarrColumn(ZarrArray(location, options=self.options).open())
        except BaseException:
            for column in opened.values():
                column.close()
            raise
        return ColumnTable(opened)

    def locations(self) -> Choice:
        """Where the arrays are. Raises NoDataError for a group without any."""
        if self.arrays is not None:
            return tuple((key, join_location(self.location, name)) for key, name in self.arrays)
        names = self.members()
        if names is None:
            return ((PurePath(self.location).stem, self.location),)
        if not names:
            raise NoDataError("no zarr array", where=self.location, found="none", wanted="at least one")
        return tuple((PurePath(name).stem, join_location(self.location, name)) for name in names)

    def members(self) -> list[str] | None:
        """The arrays of the group; None where this is no group."""
        import zarr  # noqa: PLC0415 - takes 160 ms, and starts a thread when it is used
        import zarr.errors  # noqa: PLC0415

        place = find_place(self.location, self.options)
        try:
            group = zarr.open_group(place.store, path=place.path, mode="r")
            return sorted(name for name, _ in group.arrays())
        except (zarr.errors.NodeNotFoundError, zarr.errors.ContainsArrayError, FileNotFoundError):
            return None
        except (ValueError, TypeError, KeyError, zarr.errors.BaseZarrError) as error:
            raise DataError("bad zarr metadata", where=self.location, found=repr(error)) from error
        finally:
            place.close()


class ZarrColumn:
    """One array."""

    def __init__(self, array: OpenArray) -> None:
        self.array = array
        self.where = array.location
        self.shape = array.grid.take
        self.dtype = array.dtype
        self.chunk = array.grid.chunks[0]
        width = max(1, prod(self.shape[1:]) * self.dtype.itemsize)
        # A compressed chunk is read and decoded whole for any row of it.
        self.gap = GAP // width if array.route == "pread" else self.chunk

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        """Read each chunk once. Raises DataError."""

        def read_run(begin: int, end: int, memory: NDArray[Any]) -> None:
            for piece in self.array.pieces(begin, end):
                self.array.read(piece, begin, memory, call.lease)

        gather_runs(read_run, rows, out, call, chunk=self.chunk, gap=self.gap)

    def close(self) -> None:
        """Let go of the store."""
        self.array.close()
