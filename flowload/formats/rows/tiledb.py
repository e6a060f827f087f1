"""Rows of a dense TileDB array: one attribute a column."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.records import Fields, Missing, Numbers
from flowload.errors import DataError, NoDataError
from flowload.files.foreign import foreign
from flowload.files.guard import Guard
from flowload.formats.missing import Mask, check_missing
from flowload.kernels.rows.take import native, take

from .columns import Choice, Column, ColumnTable, check_path, column_table, import_extra, pairs_of
from .tiledb_written import boxes_of, unwritten_rows

if TYPE_CHECKING:
    import tiledb

__all__ = ["TileDbRows"]


@dataclass(frozen=True, init=False)
class TileDbRows:
    """Records of a dense TileDB array: row i of its first dimension is sample i. Needs `flowload[tiledb]`.

    TileDB reads and decodes with threads of its own, each tile once a batch: so tiles of few rows are
    best for random order.

    Args:
        uri: a folder, or any URI that TileDB knows, such as `s3://bucket/array`.
        attributes: names, or names by key of the batch; None: all.
        missing: what a row does of which cells were never written: "fill" gives the fill value, and counts
            the row; "raise" is an error; "skip" drops the row, and counts it.

    Examples:
        >>> import os, tiledb
        >>> from flowload.formats.rows import TileDbRows
        >>> tiledb.from_numpy(os.path.abspath("a.tiledb"), np.arange(8.0).reshape(4, 2)).close()
        >>> with (fl.rows(TileDbRows("a.tiledb")) >> fl.batch(4)).iterate() as batches:
        ...     print(*(array[3] for array in next(batches).values()))
        [6. 7.]
    """

    uri: str
    attributes: Choice | None = None
    missing: Missing = "fill"

    name: ClassVar[str] = "tiledb"
    layouts: ClassVar[Sequence[str]] = ColumnTable.layouts

    def __init__(self, uri: Any, attributes: Any = None, missing: Missing = "fill") -> None:
        object.__setattr__(self, "uri", check_path(uri, "TileDbRows"))
        object.__setattr__(self, "attributes", pairs_of(attributes, "TileDbRows: attributes"))
        object.__setattr__(self, "missing", check_missing(missing, "TileDbRows"))

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - the array says
        """None: known only when the array is open."""
        return {}

    def open(self) -> ColumnTable:
        """Open the array. Raises DataError and MissingExtra."""
        tiledb = import_extra("tiledb", "tiledb")
        with foreign("no TileDB array", self.uri):
            array = tiledb.open(whole(self.uri), "r", config=settings(self.uri))
        try:
            columns = self.columns(array)
        except BaseException:
            array.close()
            raise
        return column_table(columns, array.close, self.missing, Guard())

    def columns(self, array: tiledb.Array) -> dict[str, Column]:
        """The attributes. Raises DataError."""
        with foreign("no TileDB array", self.uri):
            schema = array.schema
            sparse = schema.sparse
            names = [schema.attr(k).name for k in range(schema.nattr)]
        if sparse:
            raise DataError(
                "array of another kind", where=self.uri, found="a sparse array", wanted="a dense one"
            )
        chosen = self.attributes or tuple((name or "x", name) for name in names)
        for _, name in chosen:
            if name not in names:
                raise DataError("no such attribute", where=self.uri, found=", ".join(names), wanted=name)
        with foreign("array of another kind", self.uri):
            for _, name in chosen:
                check_attribute(self.uri, array.schema.attr(name))
            return {key: AttributeColumn(self.uri, array, name) for key, name in chosen}


def whole(uri: str) -> str:
    """Where an array lies: TileDB itself takes a path from the folder in which the process used it first."""
    return uri if "://" in uri else str(Path(uri).absolute())


def check_attribute(uri: str, attribute: Any) -> None:
    """Raise DataError for cells that are no plain numbers.

    Of an enumeration TileDB gives the labels, which no array of its codes' type holds; of cells without a
    value, whatever lies there.
    """
    found = [
        word
        for word, is_so in (
            ("cells of any length", attribute.isvar),
            ("cells that may have no value", attribute.isnullable),
            (f"the enumeration {attribute.enum_label!r}", attribute.enum_label is not None),
        )
        if is_so
    ]
    if found:
        where = f"{uri}: {attribute.name}"
        raise DataError("array of another kind", where=where, found=found[0], wanted="a number in every cell")


def settings(uri: str) -> dict[str, str] | None:
    """What the environment says of S3, in TileDB's words: it reads keys there by itself, and nothing else.

    None: its own. Other stores have no more than their keys in the environment.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not uri.startswith("s3://"):
        return None
    found = {"vfs.s3.region": region} if region else {}
    if endpoint:
        scheme, _, host = endpoint.rpartition("://")
        found["vfs.s3.scheme"] = scheme or "https"
        found["vfs.s3.endpoint_override"] = host.rstrip("/")
        found["vfs.s3.use_virtual_addressing"] = "false"
    if os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true"):
        found["vfs.s3.no_sign_request"] = "true"
    return found


class AttributeColumn:
    """One attribute. Dimensions may begin at any number."""

    def __init__(self, uri: str, array: tiledb.Array, name: str) -> None:
        self.where = f"{uri}: {name}" if name else uri
        self.array = array
        self.attribute = name
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = native(array.schema.attr(name).dtype)
        self.begin = int(array.schema.domain.dim(0).domain[0])
        boxes = boxes_of(array, name)
        if not boxes:
            raise NoDataError("never written", where=self.where, found="no fragment", wanted="some")
        self.unwritten = unwritten_rows(boxes, self.shape)

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:  # noqa: ARG002 - TileDB has its own
        """Ask for all rows at once: TileDB reads each tile once a query. Raises DataError."""
        if not len(rows):
            return
        wanted, places = np.unique(rows, return_inverse=True)
        with foreign("unreadable", f"{self.where}, rows {wanted[0]:,} to {wanted[-1]:,}"):
            found = self.array.query(attrs=[self.attribute]).multi_index[self.ranges(wanted)]
        # The one attribute: where it has no name, TileDB's own word for it is not ours to know.
        array = next(iter(found.values())).reshape(len(wanted), *self.shape[1:])
        take(array, places.reshape(-1), out)

    @property
    def foreseen(self) -> bool:
        """Whether it costs next to nothing to ask which rows lack data."""
        return self.unwritten is not None

    def absent(self, rows: Numbers) -> Mask | None:
        """See `missing.Incomplete`."""
        return None if self.unwritten is None else self.unwritten.absent(rows)

    def lack(self, row: int | None = None) -> DataError:  # noqa: ARG002 - the same for all
        """See `missing.Incomplete`."""
        found = f"{len(self.unwritten or ()):,} of {self.shape[0]:,} rows with cells that were never written"
        return DataError("missing", where=self.where, found=found, wanted="none")

    def ranges(self, rows: Numbers) -> list[tuple[int, int]]:
        """Rising rows as runs without a gap: first and last, as the dimension counts."""
        borders = np.flatnonzero(np.diff(rows) > 1)
        firsts = rows[np.concatenate([[0], borders + 1])] + self.begin
        lasts = rows[np.concatenate([borders, [len(rows) - 1]])] + self.begin
        return list(zip(firsts.tolist(), lasts.tolist(), strict=True))

    def close(self) -> None:
        """Whoever opened the array closes it."""
