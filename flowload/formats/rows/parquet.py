"""Rows of Parquet files: a column of the table is a column of the batch. Needs `flowload[parquet]`.

A Parquet file is decoded by row group and column, never by row. What was decoded is kept, as far as
`cache_bytes` go, and what was not used for longest is let go.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.records import Fields, Numbers
from flowload.errors import DataError, GraphError, NoDataError
from flowload.files.foreign import foreign
from flowload.files.guard import Guard
from flowload.files.objects.storable import Storable
from flowload.graph.node import whole

from .arrow_columns import check_nulls, element
from .columns import Choice, ColumnTable, import_extra, pairs_of

__all__ = ["ParquetRows", "ParquetSamples"]

log = logging.getLogger("flowload")

CACHE = 256 << 20
AGAIN = 4  #: times that everything was decoded, on average, when somebody is told
TOLD = (
    "%s: row groups are decoded again and again, %d times each by now, for they are more than"
    " cache_bytes=%s; raise it, write smaller row groups, or name the columns that are needed"
)
WANTED = "numbers, booleans, times, or lists of fixed size of them; fl.rows(path, collate=...) takes anything"


@dataclass(frozen=True, init=False)
class ParquetRows(Storable):
    """Records of Parquet files: row i of the first file, then those of the next.

    In random order a batch needs many row groups: where all columns do not fit into `cache_bytes`, each is
    decoded again and again, which is told; write small row groups, or name the columns that are needed.

    Args:
        paths: a file, a folder with files `*.parquet`, or several files, with the same columns.
        columns: names, or names by key of the batch; None: all. Numbers, booleans and times, and lists of
            fixed size and tensors of them; a value that is null is an error.
        cache_bytes: of decoded columns that are kept, 256 MiB.

    Examples:
        >>> import flowload as fl, pyarrow as pa, pyarrow.parquet as pq
        >>> pq.write_table(pa.table({"x": [1, 2, 3]}), "numbers.parquet")
        >>> (fl.rows(ParquetRows("numbers.parquet")) >> fl.batch(2)).peek()["x"].tolist()
        [1, 2]
    """

    paths: tuple[str, ...]
    columns: Choice | None
    cache_bytes: int

    name: ClassVar[str] = "parquet"
    drops: ClassVar[bool] = False
    layouts: ClassVar[Sequence[str]] = ColumnTable.layouts

    def __init__(self, paths: Any, columns: Any = None, cache_bytes: int = CACHE) -> None:
        named = pairs_of(paths, "ParquetRows: paths")
        if named is None:
            raise GraphError("ParquetRows: paths are None; wanted a folder, or Parquet files")
        if not whole(cache_bytes) or cache_bytes < 0:
            raise GraphError(f"ParquetRows: cache_bytes is {cache_bytes!r}; wanted a number of bytes from 0")
        object.__setattr__(self, "paths", tuple(path for _, path in named))
        object.__setattr__(self, "columns", pairs_of(columns, "ParquetRows: columns"))
        object.__setattr__(self, "cache_bytes", cache_bytes)

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - the files say
        """Not known before the files are open."""
        return {}

    def files(self) -> list[str]:
        """Their paths. Raises NoDataError for a folder without any."""
        found: list[str] = []
        for path in map(Path, self.paths):
            inside = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
            if not inside:
                raise NoDataError("no .parquet file", where=str(path), found="none", wanted="at least one")
            found += map(str, inside)
        return found

    def open(self) -> ColumnTable:
        """Read the files' footers. Raises DataError."""
        return self.opened_here(ParquetRows.open_files)

    def open_files(self) -> ColumnTable:
        """The same where all of it lies on this machine."""
        files = ParquetFiles(self.files())
        cache = Cache(self.cache_bytes)
        try:
            chosen = files.names if self.columns is None else self.columns
            columns = {key: ParquetColumn(files, name, cache) for key, name in chosen}
            return ColumnTable(columns, files.close, guard=files.guard)
        except BaseException:
            files.close()
            files.guard.close()
            raise

    def samples_by_number(self) -> ParquetSamples:
        """Its rows as dicts of Python's values, for a `collate=`."""
        return ParquetSamples(self)


class Group(NamedTuple):
    """A row group."""

    file: int
    number: int  #: in its file
    begin: int  #: its first row, of all
    rows: int


class ParquetFiles:
    """Open files with the same columns. Raises DataError."""

    def __init__(self, paths: Iterable[str]) -> None:
        reader = import_extra("pyarrow.parquet", "parquet")
        self.guard = Guard()
        self.paths = list(paths)
        self.files: list[Any] = []
        self.groups: list[Group] = []
        self.lock = threading.Lock()  # one file is read by one thread; pyarrow decodes with its own
        begin = 0
        for number, path in enumerate(self.paths):
            self.guard.watch(path)
            with foreign("bad Parquet file", path):
                file = reader.ParquetFile(path)
            self.files.append(file)
            if file.schema_arrow.remove_metadata() != self.schema.remove_metadata():
                found, wanted = in_words(file.schema_arrow), f"{in_words(self.schema)}, as in {self.paths[0]}"
                raise DataError("other columns", where=path, found=found, wanted=wanted)
            for group in range(file.metadata.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                self.groups.append(Group(number, group, begin, rows))
                begin += rows
        self.rows = begin
        self.begins = np.array([group.begin for group in self.groups], np.int64)

    @property
    def schema(self) -> Any:
        """Of the first file; those of the others are equal."""
        return self.files[0].schema_arrow

    @property
    def names(self) -> Choice:
        """All columns, by their own names."""
        return tuple((name, name) for name in self.schema.names)

    def read(self, number: int, columns: Sequence[str] | None) -> Any:
        """A row group as a table. Raises DataError."""
        group = self.groups[number]
        with self.lock, foreign("bad row group", f"{self.paths[group.file]}: row group {group.number}"):
            return self.files[group.file].read_row_group(group.number, columns=columns)

    def needed(self, rows: Numbers) -> Iterable[tuple[int, NDArray[np.intp], Numbers]]:
        """The row groups of rows, in order, with the places of the rows, and their numbers in the group."""
        which = np.searchsorted(self.begins, rows, side="right") - 1
        for number in np.unique(which).tolist():
            places = np.flatnonzero(which == number)
            yield number, places, rows[places] - self.begins[number]

    def close(self) -> None:
        """Let go of the files."""
        for file in self.files:
            file.close()


def in_words(schema: Any) -> str:
    """Columns and their types."""
    return ", ".join(f"{field.name} {field.type}" for field in schema)


class Cache:
    """Decoded columns of row groups, as many as fit, and always the last."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept: OrderedDict[object, Any] = OrderedDict()
        self.nbytes = 0
        self.made: dict[object, int] = {}  # how often each was decoded
        self.told = False
        self.lock = threading.Lock()

    def get(self, key: object, make: Callable[[], Any], where: str) -> Any:
        """What is kept under a key, or made: by one thread."""
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
            value = self.kept[key] = make()
            self.nbytes += value.nbytes
            self.made[key] = self.made.get(key, 0) + 1
            while self.nbytes > self.most and len(self.kept) > 1:
                self.nbytes -= self.kept.popitem(last=False)[1].nbytes
            if not self.told and sum(self.made.values()) > AGAIN * len(self.made) > AGAIN:
                self.told = True
                text = (
                    "%s: row groups are decoded again and again, %d times each by now, for they are more than"
                )
                text += (
                    " cache_bytes=%s; raise it, write smaller row groups, or name the columns that are needed"
                )
                log.warning(text, where, AGAIN, f"{self.most:,}")
            return value


class ParquetColumn:
    """One column. Raises DataError for one that has no fixed size a row."""

    def __init__(self, files: ParquetFiles, name: str, cache: Cache) -> None:
        self.files, self.name, self.cache = files, name, cache
        self.where = f"{files.paths[0]}: {name}"
        if name not in files.schema.names:
            found = ", ".join(files.schema.names)
            raise DataError("no such column", where=self.where, found=found, wanted=name)
        kind = files.schema.field(name).type
        inner, axes = element(kind)
        try:
            self.dtype = np.dtype(inner.to_pandas_dtype())
        except NotImplementedError:
            self.dtype = np.dtype(object)
        if self.dtype.hasobject:
            raise DataError("no numbers", where=self.where, found=str(kind), wanted=WANTED)
        self.inner = inner
        self.shape = (files.rows, *axes)

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:
        """Copy the rows, one row group after the other. Raises DataError."""
        for number, places, own in self.files.needed(rows):
            call.go_on()
            values = self.cache.get((self.name, number), lambda: self.decoded(number), self.files.paths[0])  # noqa: B023 - called at once
            out[places] = values[own]

    def decoded(self, number: int) -> NDArray[Any]:
        """All values of a row group."""
        group = self.files.groups[number]
        where = f"{self.files.paths[group.file]}: {self.name}, row group {group.number}"
        array = self.files.read(number, [self.name]).column(0).combine_chunks()
        for _ in self.shape[1:2]:
            check_nulls(array, where)
            array = getattr(array, "storage", array).flatten()
        check_nulls(array, where)
        values = np.asarray(array.to_numpy(zero_copy_only=False))
        if values.size != group.rows * int(np.prod(self.shape[1:])):
            found, wanted = f"{values.size} values", f"{group.rows} rows of {list(self.shape[1:])}"
            raise DataError("lists of other sizes", where=where, found=found, wanted=wanted)
        return values.astype(self.dtype, copy=False).reshape(group.rows, *self.shape[1:])

    def close(self) -> None:
        """The files are closed together."""
        self.cache.kept.clear()


class ParquetSamples:
    """Rows as dicts of Python's values; opened by whoever asks first."""

    def __init__(self, records: ParquetRows) -> None:
        self.records = records
        self.cache = Cache(records.cache_bytes)
        self.opened: ParquetFiles | None = None
        self.lock = threading.Lock()

    def files(self) -> ParquetFiles:
        """The files, opened. Raises DataError."""
        with self.lock:
            if self.opened is None:
                self.opened = self.records.opened_here(lambda here: ParquetFiles(here.files()))
            return self.opened

    def __len__(self) -> int:
        return self.files().rows

    def __getitems__(self, numbers: Sequence[int]) -> list[Mapping[str, Any]]:
        """Rows by number. Raises DataError."""
        files = self.files()
        chosen = files.names if self.records.columns is None else self.records.columns
        names = [name for _, name in chosen]
        found: list[Mapping[str, Any]] = [{}] * len(numbers)
        with files.guard:
            for number, places, own in files.needed(np.array(numbers, np.int64)):
                table = self.cache.get(number, lambda: files.read(number, names), files.paths[0])  # noqa: B023 - called at once
                for place, row in zip(places.tolist(), table.take(own).to_pylist(), strict=True):
                    found[place] = {key: row[name] for key, name in chosen}
        return found
