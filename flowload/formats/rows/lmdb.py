"""Rows of an LMDB database, by keys that are row numbers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from flowload.abc.operators import Call, NamedArrays
from flowload.abc.records import Fields, Missing, Numbers
from flowload.errors import DataError, GraphError
from flowload.files.foreign import foreign
from flowload.files.guard import Guard
from flowload.formats.missing import Mask, check_missing, usable_rows

from .columns import check_path, import_extra
from .lmdb_count import count_rows
from .lmdb_environments import ENVIRONMENTS, data_file
from .lmdb_keys import key_writer

if TYPE_CHECKING:
    import lmdb

__all__ = ["LmdbRows"]

#: Makes a value to arrays by key, or to the one array; the value is readable during the call alone.
Decode = Callable[[Any], Any]


@dataclass(frozen=True, repr=False)
class LmdbRows:
    """Records of an LMDB database: the value of key i is sample i. Needs `flowload[lmdb]`.

    Args:
        path: a folder with `data.mdb`, or a file.
        arrays: what a value holds, one array behind the other: dtype, or dtype and shape, by key of the
            batch: `{"x": ("float32", (3, 8, 8)), "y": "int64"}`, in the machine's byte order or another's.
        keys: how row numbers are written: "decimal", "big64" or "big32" (big-endian), or a template such as
            "image-{:08d}".
        count: rows; None: up to the greatest that has a key, where each entry is a row.
        decode: makes a value to those arrays, where it is something else, such as a JPEG; a function that
            can be pickled, called in several threads.
        database: name of one inside the environment; None: the unnamed one.
        missing: what a row does whose key is not there: "fill" gives zeros, and counts the row; "raise" is an
            error; "skip" drops the row, and counts it.

    Examples:
        >>> import lmdb
        >>> from flowload.formats.rows import LmdbRows
        >>> with lmdb.open("a.lmdb", map_size=2**20) as database, database.begin(write=True) as writing:
        ...     _ = [writing.put(str(row).encode(), np.float32([row, row]).tobytes()) for row in range(4)]
        >>> with (fl.rows(LmdbRows("a.lmdb", {"x": ("float32", (2,))})) >> fl.batch(4)).iterate() as batches:
        ...     print(next(batches)["x"][3])
        [3. 3.]
    """

    path: str
    arrays: Mapping[str, Any] = field(hash=False)
    keys: str = "decimal"
    count: int | None = None
    decode: Decode | None = None
    database: str | None = None
    missing: Missing = "fill"

    name: ClassVar[str] = "lmdb"
    layouts: ClassVar[Sequence[str]] = ("arrays",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", check_path(self.path, "LmdbRows"))
        key_writer(self.keys)
        check_arrays(self.arrays)
        object.__setattr__(self, "arrays", {key: kind_of(key, kind) for key, kind in self.arrays.items()})
        if self.count is not None and (isinstance(self.count, bool) or self.count < 1):
            raise GraphError(f"LmdbRows: count is {self.count!r}; wanted a number from 1, or None")
        check_count(self.keys, self.count)
        if self.decode is not None and not callable(self.decode):
            raise GraphError(f"LmdbRows: decode is {self.decode!r}; wanted a function, or None")
        check_missing(self.missing, "LmdbRows")

    def __repr__(self) -> str:
        # A function has an address, which is another in every process.
        decode = "" if self.decode is None else f", decode={getattr(self.decode, '__qualname__', 'object')}"
        arrays = ", ".join(f"{key}: {dtype}{list(shape)}" for key, (dtype, shape) in self.arrays.items())
        database = "" if self.database is None else f", database={self.database!r}"
        count = "" if self.count is None else f", count={self.count}"
        missing = "" if self.missing == "fill" else f", missing={self.missing!r}"
        return f"LmdbRows({self.path!r}, {arrays}, keys={self.keys!r}{count}{decode}{database}{missing})"

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - there is one
        """Shape of a row and dtype of each field that the user named."""
        return {key: (shape, dtype.newbyteorder("=")) for key, (dtype, shape) in self.arrays.items()}

    def open(self) -> LmdbTable:
        """Open the environment. Raises DataError and MissingExtra."""
        environment = ENVIRONMENTS.open(self.path)
        try:
            return LmdbTable(self, environment)
        except BaseException:
            ENVIRONMENTS.close(self.path)
            raise


def check_arrays(arrays: object) -> None:
    """Raise GraphError unless arrays are named."""
    if not isinstance(arrays, Mapping) or not arrays:
        raise GraphError(f"LmdbRows: arrays are {arrays!r}; wanted dtype and shape by key of the batch")


def check_count(keys: str, count: int | None) -> None:
    """Raise GraphError where the last row has a number that no such key can have."""
    try:
        key_writer(keys)((count or 1) - 1)
    except struct.error as error:
        raise GraphError(f"LmdbRows: count is {count}; keys={keys!r} do not reach so far") from error


def kind_of(key: object, kind: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Dtype and shape of an array. Raises GraphError."""
    pair = kind if isinstance(kind, tuple) else (kind, ())
    try:
        if isinstance(key, str) and len(pair) == 2:
            dtype, shape = np.dtype(pair[0]), tuple(int(size) for size in pair[1])
            if not dtype.hasobject and dtype.itemsize and min(shape, default=1) > 0:
                return dtype, shape
    except (TypeError, ValueError):
        pass
    raise GraphError(f"LmdbRows: array {key!r} is {kind!r}; wanted a dtype, or a dtype and a shape")


class LmdbTable:
    """See `LmdbRows`. Each call has a transaction of its own, so several threads may read at once."""

    layouts: Sequence[str] = LmdbRows.layouts

    def __init__(self, records: LmdbRows, environment: lmdb.Environment) -> None:
        self.records = records
        self.environment = environment
        self.key = key_writer(records.keys)
        self.database = open_database(environment, records)
        with self.reading() as transaction:
            self.size = count_rows(self.where, transaction, self.database, records.keys, records.count)
        self.kinds = records.fields("arrays")
        self.guard = Guard()
        self.guard.watch_library(data_file(records.path))

    @property
    def where(self) -> str:
        """File and database, for messages."""
        database = "" if self.records.database is None else f" ({self.records.database})"
        return f"{self.records.path}{database}"

    @contextmanager
    def reading(self) -> Iterator[lmdb.Transaction]:
        """A transaction; what LMDB raises in it is a DataError."""
        library = import_extra("lmdb", "lmdb")
        try:
            with self.environment.begin(buffers=True, db=self.database) as transaction:
                yield transaction
        except library.Error as error:
            raise DataError("unreadable", where=self.where, found=str(error)) from error

    def __len__(self) -> int:
        return self.size

    def usable(self, rows: Numbers, call: Call) -> Numbers:
        """All rows, or those whose key exists."""
        return usable_rows(self.records.missing, [self], rows, call)

    def absent(self, rows: Numbers) -> Mask:
        """See `missing.Incomplete`."""
        with self.reading() as transaction:
            get, key_of = transaction.get, self.key
            return np.array([get(key_of(row)) is None for row in rows.tolist()], bool)

    def lack(self, row: int | None = None) -> DataError:
        """See `missing.Incomplete`."""
        if row is not None:
            return DataError("missing", where=self.where, found="no such key", wanted=repr(self.key(row)))
        wanted = f"a key for each of {self.size:,} rows, such as {self.key(0)!r}"
        return DataError("missing", where=self.where, found="rows without one", wanted=wanted)

    def fields(self, layout: str, rows: Numbers) -> Fields:  # noqa: ARG002 - the same for all
        """Shape of a row and dtype of each field that the user named."""
        return self.kinds

    def write(self, layout: str, rows: Numbers, out: NamedArrays, call: Call) -> NamedArrays:  # noqa: ARG002
        """Write the values. Raises DataError for a value of another size."""
        with self.reading() as transaction:
            values = list(map(transaction.get, map(self.key, rows.tolist())))
            gone = np.array([value is None for value in values], bool)
            if self.records.decode is None:
                self.copy(values, rows, out)
            else:
                self.decode(self.records.decode, values, rows, out)
        if gone.any():
            for array in out.values():
                array[gone] = np.zeros((), array.dtype)
            call.missing(int(gone.sum()), self.lack())
        return {}

    def copy(self, values: Sequence[Any], rows: Numbers, out: NamedArrays) -> None:
        """Values as they are, straight to their place: nothing but Python's own work a row."""
        parts, begin = [], 0
        for key, (dtype, shape) in self.records.arrays.items():
            size = prod(shape) * dtype.itemsize
            parts.append((out[key].reshape(-1).view(np.uint8).data, begin, size))
            begin += size
        for place, value in enumerate(values):
            if value is None:
                continue
            if len(value) != begin:
                found, where = f"{len(value):,} bytes", self.describe(int(rows[place]))
                raise DataError("wrong size", where=where, found=found, wanted=f"{begin:,} bytes")
            for memory, first, size in parts:
                memory[place * size : (place + 1) * size] = value[first : first + size]
        for key, (dtype, _) in self.records.arrays.items():
            if dtype != out[key].dtype:  # of a record each field may have its own byte order
                out[key][...] = out[key].view(dtype).copy()

    def decode(self, decode: Decode, values: Sequence[Any], rows: Numbers, out: NamedArrays) -> None:
        """Values as the user's function makes them."""
        for place, value in enumerate(values):
            if value is None:
                continue
            row = int(rows[place])
            try:
                made = decode(value)
            except BaseException as error:
                error.add_note(f"decoding {self.describe(row)}")
                raise
            if not isinstance(made, Mapping):
                made = dict.fromkeys(list(out)[:1], made)
            self.check(made, row)
            for key, array in out.items():
                array[place] = made[key]

    def check(self, made: Mapping[str, Any], row: int) -> None:
        """Raise DataError unless a decoded value has the arrays that were named."""
        with foreign("unlike samples", self.describe(row)):  # a tuple of unlike things is no array
            found = {
                key: (np.shape(array), np.asarray(array).dtype.newbyteorder("="))
                for key, array in made.items()
            }
        if found != self.kinds:
            words = [
                ", ".join(f"{key} {dtype}{list(shape)}" for key, (shape, dtype) in kinds.items())
                for kinds in (found, self.kinds)
            ]
            raise DataError("unlike samples", where=self.describe(row), found=words[0], wanted=words[1])

    def describe(self, row: int) -> str:
        """Where a row lies, for messages: database and row."""
        return f"{self.where}, row {row}"

    def close(self) -> None:
        """Let go of the environment."""
        self.guard.close()
        ENVIRONMENTS.close(self.records.path)


def open_database(environment: lmdb.Environment, records: LmdbRows) -> Any:
    """A named database; None for the unnamed one. Raises DataError."""
    if records.database is None:
        return None
    lmdb = import_extra("lmdb", "lmdb")
    try:
        return environment.open_db(records.database.encode(), create=False)
    except lmdb.Error as error:
        where = f"{records.path} ({records.database})"
        raise DataError("no such database", where=where, found=str(error)) from error
