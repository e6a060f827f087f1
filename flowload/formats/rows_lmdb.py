"""Rows of an LMDB database, by keys that are row numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, GraphError
from flowload.files.guard import Guard
from flowload.protocols import Call
from flowload.records import Fields, Numbers

from .columns import check_path, import_extra
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
        count: rows; None: as many as the database has entries.
        decode: makes a value to those arrays, where it is something else, such as a JPEG; a function that
            can be pickled, called in several threads.
        database: name of one inside the environment; None: the unnamed one.
    """

    path: str
    arrays: Mapping[str, Any] = field(hash=False)
    keys: str = "decimal"
    count: int | None = None
    decode: Decode | None = None
    database: str | None = None

    name: ClassVar[str] = "lmdb"
    layouts: ClassVar[Sequence[str]] = ("arrays",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", check_path(self.path, "LmdbRows"))
        key_writer(self.keys)
        check_arrays(self.arrays)
        object.__setattr__(self, "arrays", {key: kind_of(key, kind) for key, kind in self.arrays.items()})
        if self.count is not None and (isinstance(self.count, bool) or self.count < 1):
            raise GraphError(f"LmdbRows: count is {self.count!r}; wanted a number from 1, or None")
        if self.decode is not None and not callable(self.decode):
            raise GraphError(f"LmdbRows: decode is {self.decode!r}; wanted a function, or None")

    def __repr__(self) -> str:
        # A function has an address, which is another in every process.
        decode = "" if self.decode is None else f", decode={getattr(self.decode, '__qualname__', 'object')}"
        arrays = ", ".join(f"{key}: {dtype}{list(shape)}" for key, (dtype, shape) in self.arrays.items())
        database = "" if self.database is None else f", database={self.database!r}"
        count = "" if self.count is None else f", count={self.count}"
        return f"LmdbRows({self.path!r}, {arrays}, keys={self.keys!r}{count}{decode}{database})"

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - there is one
        """Those that were named."""
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
        self.size = self.rows()
        self.kinds = records.fields("arrays")
        self.guard = Guard()
        self.guard.watch_library(data_file(records.path))

    def rows(self) -> int:
        """How many there are. Raises DataError where the first or the last has no key."""
        with self.environment.begin(db=self.database) as transaction:
            entries: int = transaction.stat(self.database)["entries"]
            size = entries if self.records.count is None else self.records.count
            for row in {0, size - 1} if size else ():
                if transaction.get(self.key(row)) is None:
                    cursor = transaction.cursor()
                    first = repr(cursor.key()) if cursor.first() else "nothing"
                    raise self.missing(row, f"{entries:,} entries, the first {first}")
        return size

    def __len__(self) -> int:
        return self.size

    def usable(self, rows: Numbers, call: Call) -> Numbers:  # noqa: ARG002 - nothing is bad before it is read
        """All."""
        return rows

    def fields(self, layout: str, rows: Numbers) -> Fields:  # noqa: ARG002 - the same for all
        """Those that were named."""
        return self.kinds

    def gather(
        self,
        layout: str,  # noqa: ARG002 - there is one
        rows: Numbers,
        out: Mapping[str, NDArray[Any]],
        call: Call,  # noqa: ARG002 - nothing to ask
    ) -> Mapping[str, NDArray[Any]]:
        """Write the values. Raises DataError for a missing key, or a value of another size."""
        with self.environment.begin(buffers=True, db=self.database) as transaction:
            if self.records.decode is None:
                self.copy(transaction, rows, out)
            else:
                self.decode(transaction, rows, out)
        return {}

    def copy(self, transaction: lmdb.Transaction, rows: Numbers, out: Mapping[str, NDArray[Any]]) -> None:
        """Values as they are, straight to their place: nothing but Python's own work a row."""
        parts, begin = [], 0
        for key, (dtype, shape) in self.records.arrays.items():
            size = prod(shape) * dtype.itemsize
            parts.append((out[key].reshape(-1).view(np.uint8).data, begin, size))
            begin += size
        get, key_of = transaction.get, self.key
        for place, row in enumerate(rows.tolist()):
            value = get(key_of(row))
            if value is None:
                raise self.missing(row, "no such key")
            if len(value) != begin:
                found = f"{len(value):,} bytes"
                raise DataError(
                    "wrong size", where=self.describe(row), found=found, wanted=f"{begin:,} bytes"
                )
            for memory, first, size in parts:
                memory[place * size : (place + 1) * size] = value[first : first + size]
        for key, (dtype, _) in self.records.arrays.items():
            if not dtype.isnative:
                out[key].byteswap(inplace=True)

    def decode(self, transaction: lmdb.Transaction, rows: Numbers, out: Mapping[str, NDArray[Any]]) -> None:
        """Values as the user's function makes them."""
        decode = self.records.decode
        assert decode is not None  # noqa: S101 - or they would be copied
        for place, row in enumerate(rows.tolist()):
            value = transaction.get(self.key(row))
            if value is None:
                raise self.missing(row, "no such key")
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
        found = {
            key: (np.shape(array), np.asarray(array).dtype.newbyteorder("=")) for key, array in made.items()
        }
        if found != self.kinds:
            words = [
                ", ".join(f"{key} {dtype}{list(shape)}" for key, (shape, dtype) in kinds.items())
                for kinds in (found, self.kinds)
            ]
            raise DataError("unlike samples", where=self.describe(row), found=words[0], wanted=words[1])

    def missing(self, row: int, found: str) -> DataError:
        """A key that is not there."""
        return DataError("missing key", where=self.describe(row), found=found, wanted=repr(self.key(row)))

    def describe(self, row: int) -> str:
        """Database and row."""
        database = "" if self.records.database is None else f" ({self.records.database})"
        return f"{self.records.path}{database}, row {row}"

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
