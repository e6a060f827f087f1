"""Rows of zarr arrays, read as windows are: by whole chunks, the fastest way that each array allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import PurePath
from typing import Any, ClassVar

from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.records import Fields, Missing, Numbers
from flowload.errors import DataError, NoDataError
from flowload.formats.missing import Mask, check_missing
from flowload.formats.zarr.array import ZarrArray
from flowload.formats.zarr.members import array_keys, group_arrays, key_of
from flowload.formats.zarr.opening import OpenArray
from flowload.formats.zarr.stores import join_location
from flowload.formats.zarr.watch import stored_documents, watched

from .columns import Choice, ColumnTable, check_path, pairs_of
from .runs import gather_runs

__all__ = ["ZarrRows"]

#: Bytes that are rather read in vain than left out, where chunks are not compressed; a request takes longer.
GAPS = {"pread": 64 << 10, "get": 1 << 20}


@dataclass(frozen=True, init=False)
class ZarrRows:
    """Records of zarr arrays (version 2 or 3): row i of each array belongs to sample i.

    Each chunk is read once a batch, so chunks of few rows are best for random order.

    Args:
        location: a group or an array: a folder, a zip, or a URL such as `s3://bucket/data.zarr`.
        arrays: names of arrays in the group, or names by key of the batch; None: all arrays of the group,
            or the array itself.
        options: for the file system of a URL.
        missing: what rows do whose chunks do not exist: "fill" gives them with the array's fill value, and
            counts and tells them; "raise" is an error; "skip" drops them, counted as "missing". Where no
            chunk of an array exists, that is an error always.

    Examples:
        >>> import zarr
        >>> from flowload.formats.rows import ZarrRows
        >>> group = zarr.open_group("a.zarr", mode="w")
        >>> _ = group.create_array("x", data=np.arange(12.0).reshape(6, 2), chunks=(2, 2))
        >>> with (fl.rows(ZarrRows("a.zarr")) >> fl.batch(6)).iterate() as batches:
        ...     print(next(batches)["x"][5])
        [10. 11.]
    """

    location: str
    arrays: Choice | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    missing: Missing = "fill"

    name: ClassVar[str] = "zarr"
    layouts: ClassVar[Sequence[str]] = ColumnTable.layouts

    def __init__(
        self,
        location: Any,
        arrays: Any = None,
        options: Mapping[str, Any] | None = None,
        missing: Missing = "fill",
    ) -> None:
        object.__setattr__(self, "location", check_path(location, "ZarrRows"))
        object.__setattr__(self, "arrays", pairs_of(arrays, "ZarrRows: arrays"))
        object.__setattr__(self, "options", dict(options or {}))
        object.__setattr__(self, "missing", check_missing(missing, "ZarrRows"))

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - the arrays say
        """None: known only when the arrays are open."""
        return {}

    def open(self) -> ColumnTable:
        """Read the metadata. Raises DataError and MissingExtra."""
        opened: dict[str, ZarrColumn] = {}
        named = self.named()
        chosen = named or self.members()
        try:
            for key, location in chosen:
                array = ZarrArray(location, options=self.options).open(empty=named is None)
                opened[key] = ZarrColumn(array, self.missing)
            check_any(opened.values())
        except BaseException:
            for column in opened.values():
                column.close()
            raise
        guard = watched(column.where for column in opened.values())
        for column in opened.values():
            guard.noted.update(stored_documents(column.array))
        return ColumnTable(opened, missing=self.missing, guard=guard)

    def named(self) -> Choice | None:
        """Where the arrays are that were asked for; None: whatever is there."""
        if self.arrays is None:
            return None
        return tuple((key, join_location(self.location, name)) for key, name in self.arrays)

    def members(self) -> Choice:
        """Where the group's arrays are, or the array itself. Raises NoDataError for a group without any."""
        names = group_arrays(self.location, self.options)
        if names is None:
            return ((key_of(PurePath(self.location).name), self.location),)
        if not names:
            raise NoDataError("no zarr array", where=self.location, found="none", wanted="at least one")
        keys = array_keys(names, self.location)
        return tuple((key, join_location(self.location, name)) for key, name in zip(keys, names, strict=True))


def check_any(columns: Iterable[ZarrColumn]) -> None:
    """Raise NoDataError where no chunk of any array exists.

    One without chunks among others that have some may hold its fill value throughout: nobody writes such
    chunks. Its rows are counted as missing.
    """
    nothing = [column.array.nothing for column in columns]
    if nothing and nothing[0] is not None and None not in nothing:
        raise nothing[0]


class ZarrColumn:
    """One array.

    Args:
        array: is closed with it.
        missing: see `ZarrRows`.
    """

    def __init__(self, array: OpenArray, missing: Missing) -> None:
        self.array = array
        self.missing = missing
        self.where = array.location
        self.shape = array.grid.take
        self.dtype = array.dtype
        self.chunk = array.grid.chunks[0]
        width = max(1, prod(self.shape[1:]) * self.dtype.itemsize)
        # A compressed chunk is read and decoded whole for any row of it.
        self.gap = GAPS[array.route] // width if array.route in GAPS else self.chunk

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        """Read each chunk once. Raises DataError."""

        def read_run(begin: int, end: int, memory: NDArray[Any]) -> None:
            for piece in self.array.pieces(begin, end):
                self.array.read(piece, begin, memory, call.lease)

        gather_runs(read_run, rows, out, call, chunk=self.chunk, gap=self.gap)
        gone = None if self.missing == "fill" else self.array.gaps.mask(rows)
        if gone is not None:  # it went after it was looked for
            row = int(rows[gone.argmax()])
            lack = self.lack(row)
            where = f"{lack.where}, row {row}"
            raise DataError(lack.reason, where=where, found=lack.found, wanted=lack.wanted)

    def absent(self, rows: Numbers) -> Mask | None:
        """Which rows lack a chunk, as far as reads have seen; looked for where such rows are not given."""
        if self.missing != "fill":
            self.array.gaps.look(rows)
        return self.array.gaps.mask(rows)

    def lack(self, row: int | None = None) -> DataError:
        """See `Incomplete`."""
        return self.array.gaps.lack(row)

    def close(self) -> None:
        """Let go of the store."""
        self.array.close()
