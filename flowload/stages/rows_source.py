"""`fl.rows`: begin a graph with references to rows of random-access records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from flowload.blocks import Rows
from flowload.errors import GraphError, NoDataError
from flowload.graph import Graph, Stage, place
from flowload.protocols import Call, Operator, Setting, State
from flowload.records import Records, Table

from .arrays import Arrays, Count
from .cursor import Cursor
from .picks import Span

__all__ = ["FindTable", "RowsSource", "RowsStage", "own_records", "rows", "table_finder"]

BLOCK = 1 << 16  #: rows of a block: references, so large blocks cost nothing

FindTable: TypeAlias = Callable[[], Table]


@dataclass(frozen=True, kw_only=True)
class RowsStage(Stage):
    """The declaration of `rows`."""

    word: ClassVar[str] = "rows"

    records: Records

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.records, Records):
            raise GraphError(
                f"rows: {self.records!r} is not records; wanted an object such as PackedMolecules(path), "
                "a dict of arrays, or a number of rows"
            )

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - nothing comes in
        """References to rows."""
        return {"out": Rows}

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """One source."""
        return (RowsSource(self.records),)


class RowsSource:
    """Opens the records at its first pass, in a thread; gives their rows in order."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.cursor = Cursor()  # counts rows
        self.table: Table | None = None
        self.expected: int | None = None  #: rows when the state was saved

    def epoch(self, number: int, call: Call) -> Iterator[Rows]:  # noqa: ARG002 - nothing random
        """Every row once, in order. Raises DataError where the records are bad, or others than before."""
        if self.table is None:
            self.table = self.opened()
        size = len(self.table)
        for start in range(self.cursor.begin(number), size, BLOCK):
            stop = min(start + BLOCK, size)
            self.cursor.given = stop
            yield Rows(self.table, Span(start, stop))

    def opened(self) -> Table:
        """The records, opened. Raises NoDataError where there are none."""
        table = self.records.open()
        size = len(table)
        if size == 0:
            raise NoDataError("no records", where=repr(self.records), found="0 rows", wanted="at least one")
        if self.expected is not None and self.expected != size:
            raise NoDataError(
                "other records than when the state was saved",
                where=repr(self.records),
                found=f"{size:,} rows",
                wanted=f"{self.expected:,} rows",
            )
        return table

    def gauges(self) -> dict[str, float]:
        """How far it is."""
        return self.cursor.gauges(0 if self.table is None else len(self.table))

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


def own_records(setting: Setting) -> list[Records]:
    """The records that declarations upstream were given, nearest first."""
    given = (getattr(stage, "records", None) for stage in setting.upstream)
    return [records for records in given if isinstance(records, Records)]


def table_finder(setting: Setting) -> FindTable:
    """Opens the records upstream, for a fold that is restored before a block tells it its table."""
    known = own_records(setting)

    def find() -> Table:
        if not known:
            raise GraphError("the state names rows, and no stage upstream has records")
        return known[0].open()

    return find


def rows(records: Records | Mapping[str, Any] | int) -> Graph:
    """Begin a graph with references to the rows of random-access records, in their order.

    Nothing but row numbers flows until `batch`, which gathers the rows into its leased buffer. Records are
    opened and validated when a run begins, in the process that runs it.

    Args:
        records: an object such as `PackedMolecules(path)`; a dict of arrays of equal length (memory-mapped
            ones, too); or a number n, for batches `{"index": ...}` that a `map` of yours looks up.
    """
    if isinstance(records, Mapping):
        records = Arrays(records)
    elif isinstance(records, int):
        records = Count(records)
    return place(RowsStage(records=records))
