"""`fl.rows`: begin a graph with references to rows of random-access records."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, TypeGuard

import numpy as np

from flowload.abc.amount import Amount
from flowload.abc.operators import Call, Operator, Setting, State
from flowload.abc.record_powers import Screened, Weighted
from flowload.abc.records import MOST_ROWS, LayoutRecords, LayoutTable, Picks
from flowload.abc.stage import whole
from flowload.blocks import Rows
from flowload.errors import DataError, GraphError, NoDataError, NoLength
from flowload.files.fingerprint import Fingerprint
from flowload.files.objects.held import asked
from flowload.files.objects.storable import Storable
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.stages.batches.arrays.gather import guard_of
from flowload.stages.cursor import Cursor

from .given_records import as_records
from .indices import Numbered, check_range, numbered, read_numbers, remembered_numbers
from .printed_files import PrintedFiles
from .reopened_tables import open_table
from .selection import RowList, RowRange, joined, narrow

__all__ = ["RowsSource", "RowsStage", "rows", "screened"]

log = logging.getLogger("flowload")

BLOCK = 1 << 18  #: rows of a block: references, so large blocks cost nothing


@dataclass(frozen=True, kw_only=True, eq=False)
class RowsStage(Stage):
    """The declaration of `rows`."""

    word: ClassVar[str] = "rows"
    makes: ClassVar[type] = Rows

    records: LayoutRecords
    indices: Numbered | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.records, LayoutRecords):
            raise GraphError(
                f"rows: {self.records!r} is not records; wanted an object such as PackedMolecules(path), "
                "a dict of arrays, or a number of rows"
            )
        if not isinstance(self.indices, np.ndarray | str | None):
            raise GraphError(
                f"rows: indices are {self.indices!r}; wanted row numbers, or a .npy file of them"
            )

    def remembered(self) -> Mapping[str, object]:
        """The records, and which rows of them; of a file of numbers what is in it."""
        return {"records": self.records, "indices": remembered_numbers(self.indices)}

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """The operators of a run: one Source."""
        return (RowsSource(self.records, self.indices),)

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """The rows of every pass. Raises NoLength for records that would first have to be made."""
        if not getattr(self.records, "prepared", True):
            raise NoLength(f"{self.records!r} is not packed yet; the first run does that")
        source = RowsSource(self.records, self.indices)
        opened.callback(source.close)
        table = source.opened()
        rows = Rows(table, source.picks, self.records)
        known = None if is_weighted(table) else rows  # which rows come, only a run knows
        return {"out": Amount(samples=len(rows) * (setting.epochs or 1), rows=known)}


class RowsSource:
    """Opens the records at its first pass, in a thread; gives their rows in order.

    Args:
        records: what is opened.
        indices: the rows to give, in this order; None: all.
    """

    def __init__(self, records: LayoutRecords, indices: Numbered | None = None) -> None:
        self.records = records
        self.indices = indices
        self.cursor = Cursor()  # counts rows
        self.table: LayoutTable | None = None
        self.weights: Weighted | None = None  #: the table, if the rows of each pass are drawn
        self.picks: Picks = RowRange(0, 0)
        self.unwanted: Mapping[str, int] = {}  #: rows of a pass that are not given, by reason
        self.expected: int | None = None  #: rows when the state was saved
        self.files = PrintedFiles()

    def epoch(self, number: int, call: Call) -> Iterator[Rows]:
        """Every row that is wanted, in order. Raises DataError for bad records, or others than before."""
        table = self.table
        if table is None:
            with asked(call.go_on):
                table = self.opened()
        else:
            guard_of(table).check()
        begin = self.cursor.begin(number)
        for reason, count in self.unwanted.items() if begin == 0 else ():
            call.drop(count, reason)
        picks = self.picks
        if self.weights is not None:
            picks = RowList(narrow(self.weights.drawn(picks.array(), call.rng(number))))
        for start in range(begin, len(picks), BLOCK):
            stop = min(start + BLOCK, len(picks))
            self.cursor.given = stop
            yield Rows(table, picks.select(slice(start, stop)), self.records)

    def look(self, call: Call) -> None:
        """Open the records, if nobody has."""
        if self.table is None:
            with asked(call.go_on):
                self.opened()

    def fingerprint(self) -> Fingerprint | None:
        """How many rows there are, and what the files hold that they are read from."""
        return self.files.fingerprint()

    def opened(self) -> LayoutTable:
        """The table, opened, and which of its rows a pass gives. Raises DataError."""
        self.table = open_table(self.records)
        self.weights = self.table if is_weighted(self.table) else None
        self.files.of(self.table, rows=len(self.table))
        log.debug("rows: %r: opened, %d rows", self.records, len(self.table))
        self.check_size(len(self.table))
        self.picks, self.unwanted = screened(self.table, self.chosen(len(self.table)))
        return self.table

    def chosen(self, size: int) -> Picks:
        """The rows of a pass. Raises DataError for numbers that the table does not have."""
        if self.indices is None:
            return RowRange(0, size)
        where = self.indices if isinstance(self.indices, str) else "rows: indices"
        numbers = read_numbers(self.indices, where)
        check_range(numbers, size, where)
        if not len(numbers):
            raise NoDataError("no row numbers", where=where, found="0 rows", wanted="at least one")
        return RowList(narrow(numbers))

    def check_size(self, size: int) -> None:
        """Raise DataError where there are no rows, too many, or not those of the saved state."""
        if size > MOST_ROWS:
            found, wanted = f"{size:,} rows", f"at most {MOST_ROWS:,}"
            raise DataError("too many rows", where=repr(self.records), found=found, wanted=wanted)
        if size == 0:
            raise NoDataError("no records", where=repr(self.records), found="0 rows", wanted="at least one")
        if self.expected is not None and self.expected != size:
            raise NoDataError(
                "other records than when the state was saved",
                where=repr(self.records),
                found=f"{size:,} rows",
                wanted=f"{self.expected:,} rows",
            )

    def check_files(self) -> None:
        """Raise DataError where a file of the records changed since they were opened."""
        if self.table is not None:
            guard_of(self.table).check()

    def gauges(self) -> dict[str, float]:
        """How far it is."""
        return self.cursor.gauges(len(self.picks))

    def state(self) -> State:
        """Rows given in this pass, and of how many."""
        return {**self.cursor.state(), "rows": self.expected if self.table is None else len(self.table)}

    def restore(self, state: State) -> None:
        """Go on there; the number of rows is compared when the records are opened."""
        self.cursor.restore(state)
        self.expected = state["rows"]

    def close(self) -> None:
        """Let go of the files."""
        if self.table is not None:
            self.table.close()


def is_weighted(table: LayoutTable) -> TypeGuard[Weighted]:
    """Whether the rows of each pass are drawn."""
    return isinstance(table, Weighted) and table.weighted


def screened(table: LayoutTable, picks: Picks) -> tuple[Picks, Mapping[str, int]]:
    """The rows that a table wants to give, and how many it does not, by reason.

    So what counts, shuffles and shares rows behind has to do with those alone that will be in a batch. The
    numbers take 4 bytes a row; nothing where all are wanted.
    """
    if not isinstance(table, Screened):
        return picks, {}
    kept: list[Picks] = []
    unwanted: Counter[str] = Counter()
    for start in range(0, len(picks), BLOCK):
        part = picks.select(slice(start, start + BLOCK))
        rows, reasons = table.screen(part.array())
        kept.append(part if len(rows) == len(part) else RowList(narrow(rows)))
        unwanted.update(reasons)
    if not +unwanted:
        return picks, {}
    log.info("rows: %s of %d rows are not given", dict(unwanted), len(picks))
    return joined(kept), unwanted


def placed_in(
    records: LayoutRecords, cache: str | os.PathLike[str] | None, cache_bytes: int | None
) -> LayoutRecords:
    """Records with a cache for their objects. Raises GraphError where they have none."""
    if cache is None and cache_bytes is None:
        return records
    if cache_bytes is not None and not (whole(cache_bytes) and cache_bytes > 0):
        raise GraphError(f"rows: cache_bytes is {cache_bytes!r}; wanted bytes above 0, or None")
    if not isinstance(records, Storable) or not records.stored:
        raise GraphError("rows: cache and cache_bytes are for records in a store, such as s3://bucket/x.npy")
    kept: LayoutRecords = records.in_cache(None if cache is None else os.fspath(cache), cache_bytes)
    return kept


@names_keywords
def rows(
    records: Any,
    *,
    indices: object = None,
    collate: Callable[[list[Any]], Any] | None = None,
    cache: str | os.PathLike[str] | None = None,
    cache_bytes: int | None = None,
) -> Graph:
    """Begin a graph with references to the rows of random-access records, in their order.

    Nothing but row numbers flows until `batch`, which gathers the rows into its leased buffer. Records are
    opened and validated when a run begins, in the process that runs it.

    Args:
        records: an object such as `PackedMolecules(path)`; a dict of arrays of equal length (numpy's,
            memory-mapped ones, too; torch tensors in main memory; lists; columns of pandas and pyarrow); a
            tuple of those, which have the keys "0", "1" and so on; an array alone, with the key "x"; a table
            of pandas or pyarrow; a list of samples (dicts or tuples); arrays of zarr and h5py, which are read
            where they lie; Parquet files, by path; a data set: anything with `__len__` and `__getitem__`
            (or `__getitems__`), such as torch's and Hugging Face's, whose samples must be alike; or a number
            n, for batches `{"index": ...}` that a `map` of yours looks up.
        indices: the rows to give, in this order, perhaps some of them repeatedly: an array, list or range of
            row numbers, or a `.npy` file of them; None: every row once.
        collate: for samples that are no arrays, or not alike: makes the batch of a list of samples, such as
            `torch.utils.data.default_collate`. It may return anything; what is no dict with arrays of one row
            a sample reaches the reader as it is.
        cache: of records in a store, such as `PackedMolecules("s3://bucket/set")`: the folder that their
            objects are brought to, and held in while a run reads them; None: `~/.cache/flowload`.
        cache_bytes: what it has at most, for all who use it; None: what was said before, or 32 GiB.

    Examples:
        >>> graph = fl.rows({"x": np.eye(4), "y": [1, 0, 0, 1]}, indices=[3, 0]) >> fl.batch(2)
        >>> with graph.iterate() as batches:
        ...     print(next(batches))
        {'x': array([[0., 0., 0., 1.],
               [1., 0., 0., 0.]]), 'y': array([1, 1])}
    """
    return place(
        RowsStage(
            records=placed_in(as_records(records, collate), cache, cache_bytes),
            indices=None if indices is None else numbered(indices, "rows: indices are"),
        )
    )
