"""The exam for whoever writes records: do they and their table keep what `flowload.abc.records` asks?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.adapted import AdaptedRecords, full_table
from flowload.abc.record_powers import Budgeted, Bulk, Grouped, Sized
from flowload.abc.records import LayoutRecords, LayoutTable, Numbers
from flowload.abc.simple import Records, Table
from flowload.abc.windows import Windowed
from flowload.errors import FlowloadError
from flowload.stages.rows.selection import RowList

from .bench import fail
from .call import PlainCall
from .content import copied, difference
from .memory import arrays_for
from .values import check_methods, check_value
from .windows import KEY, ONES, ZEROS, check_windows, guarded

__all__ = ["check_records"]

THREADS = 4


def check_records(records: LayoutRecords | Records | Table, *, rows: int = 40, seed: int = 0) -> int:
    """Examine a kind of records that you wrote, such as a format of your own, on data that exist.

    ```python
    class Squares:                                    # a table: a length and a gather
        def __len__(self):
            return 1000

        def gather(self, rows):
            return {"square": rows**2}

    @dataclass(frozen=True)
    class SquareFile:                                 # records: a value that opens it
        path: str

        def open(self):
            return Squares()

    check_records(SquareFile("squares"))              # then fl.rows(SquareFile("squares")) works, too
    ```

    What is examined: that they are a value (equal to their copy through pickle, and printable); that tables
    that were opened twice are equal and independent; that `usable` gives its rows in their order and counts
    the others; that every layout is written whole and nowhere else, whatever memory held before; that a row
    is the same alone as in any company, order and thread, and the second time; that several batches made at
    once are those made one by one; that sizes and groups depend on the row alone; that windows overlap where
    their rows do.

    Args:
        records: what `fl.rows` (or `fl.windows`) takes.
        rows: how many rows are tried, at random, the first and the last among them.
        seed: of the choice.

    Returns:
        how many rows could be used.

    Raises AssertionError that tells what differs, and where; DataError where they cannot be opened or read.

    Examples:
        >>> from flowload.testing import check_records
        >>> class Squares:
        ...     def __len__(self):
        ...         return 1000
        ...     def gather(self, rows):
        ...         return {"square": rows**2}
        >>> check_records(Squares()) > 0
        True
    """
    given: object = records  # a user wrote it
    if isinstance(given, LayoutRecords):
        return check_full(given, check_value(given), rows, seed)
    if isinstance(given, Records):
        check_value(given)
    elif not isinstance(given, Table):
        name = type(given).__name__
        fail(f"{name} has no open(); records have one, and a table has a length and gather(rows)")
    full = AdaptedRecords(given)
    return check_full(full, full, rows, seed)


def check_full(records: LayoutRecords, again: LayoutRecords, rows: int, seed: int) -> int:
    """The same for records in their full form, and for their copy."""
    with closing(opened(records)) as table:
        check_table(records, table)
        chosen = choose(len(table), rows, seed)
        usable = check_usable(table, chosen)
        for layout in records.layouts:
            exam = Exam(table, layout, usable)
            exam.check_batches()
            exam.check_company()
            exam.check_many()
        check_rows_alone(table, usable)
        if isinstance(table, Windowed):
            check_windows(table, usable)
        check_twice(again, table, usable)
    return len(usable)


def opened(records: LayoutRecords) -> LayoutTable:
    """Their table, in its full form."""
    return full_table(records.open(), records.name)


def check_table(records: LayoutRecords, table: LayoutTable) -> None:
    """What a table says of itself."""
    check_methods(table, LayoutTable)
    if tuple(table.layouts) != tuple(records.layouts):
        fail(f"the table's layouts are {list(table.layouts)}; those of the records {list(records.layouts)}")
    if len(table) < 1:
        fail("the table has no row; wanted NoDataError when it was opened, or data to be examined with")
    for row in (0, len(table) - 1):
        told: object = table.describe(row)
        if not isinstance(told, str) or not told.strip():
            fail(f"describe({row}) gave {told!r}; wanted the file and the record, for messages")


def choose(length: int, rows: int, seed: int) -> Numbers:
    """Rows to try, in no order; one of them twice."""
    chance = np.random.Generator(np.random.Philox(seed))
    some = chance.choice(length, min(length, rows), replace=False).astype(np.int64)
    return np.array([length - 1, *some, 0, *some[:1]], np.int64)


def check_usable(table: LayoutTable, chosen: Numbers) -> Numbers:
    """Rows that can be delivered stay in their order, and the others are counted."""
    before, call = chosen.copy(), PlainCall(KEY, 0, on_error="skip")
    with guarded(table):
        usable = table.usable(chosen, call)
    if not np.array_equal(before, chosen):
        fail("usable() changed the array that it was given")
    rest = iter(chosen.tolist())
    if not all(any(row == other for other in rest) for row in usable.tolist()):
        fail(f"usable() gave {usable[:9].tolist()} of {chosen[:9].tolist()}: wanted some of them, in order")
    lost, told = len(chosen) - len(usable), call.dropped.total() + call.rejected.total()
    if lost != told:
        fail(f"usable() left out {lost} of {len(chosen)} rows, and counted {told} as dropped or rejected")
    if not len(usable):
        fail(f"none of the rows can be used: {dict(call.dropped + call.rejected)}")
    return usable


@dataclass(frozen=True)
class Exam:
    """One layout of a table, tried on some rows."""

    table: LayoutTable
    layout: str
    rows: Numbers

    def gather(self, rows: Numbers, fill: int = ZEROS) -> tuple[dict[str, Any], dict[str, Any]]:
        """One batch, written between fences: arrays with a row a sample, and those that go with the whole."""
        before = rows.copy()
        fields = self.table.fields(self.layout, rows)
        if not fields:
            fail(f"layout {self.layout!r}: fields() names no array")
        fences, out = arrays_for(fields, len(rows), fill)
        with guarded(self.table):
            whole = self.table.write(self.layout, rows, out, PlainCall(KEY, 0, fill=fill))
        for key, memory in fences.items():
            if memory.broken:
                fail(f"layout {self.layout!r}: write() wrote outside of the array {key!r}")
        if not np.array_equal(before, rows):
            fail(f"layout {self.layout!r}: write() changed the row numbers that it was given")
        return dict(out), dict(whole)

    def check_batches(self) -> None:
        """All is written, and the same twice, in a run of threads as well."""
        wanted = self.gather(self.rows)
        self.compare(wanted, self.gather(self.rows, ONES), "with other memory")
        self.compare(wanted, self.gather(self.rows), "a second time")
        with ThreadPoolExecutor(THREADS) as threads:
            for made in threads.map(lambda _: self.gather(self.rows, ONES), range(2 * THREADS)):
                self.compare(wanted, made, "in several threads at once")
        for key, array in wanted[1].items():
            if isinstance(array, np.ndarray) and array.flags.writeable and self.is_shared(key, array):
                fail(f"layout {self.layout!r}: batches share {key!r}, so it must be read-only")

    def is_shared(self, key: str, array: NDArray[Any]) -> bool:
        """Whether another batch has the same memory."""
        other = self.gather(self.rows)[1].get(key)
        return isinstance(other, np.ndarray) and np.shares_memory(array, other)

    def check_company(self) -> None:
        """A row is what it is, alone and in any order; where its batch is padded, in its own part of it."""
        together, _ = self.gather(self.rows)
        backwards, _ = self.gather(self.rows[::-1].copy())
        for place, row in enumerate(self.rows.tolist()):
            alone, _ = self.gather(np.array([row], np.int64), ONES)
            for key, array in alone.items():
                for other, at, how in ((together, place, "in"), (backwards, -1 - place, "in reversed")):
                    part = other[key][at][tuple(slice(n) for n in array.shape[1:])]
                    if changed := difference(copied(array[0]), copied(part), f"{key}[{row}]"):
                        fail(
                            f"layout {self.layout!r}: alone, a row is not what it is {how} company: {changed}"
                        )

    def check_many(self) -> None:
        """Several batches at once are what they are one by one."""
        size = max(1, len(self.rows) // 4)
        rows = self.rows[: len(self.rows) // size * size]
        batches = [self.gather(rows[at : at + size]) for at in range(0, len(rows), size)]
        if isinstance(self.table, Bulk) and self.table.alike(self.layout):
            fences, out = arrays_for(self.table.fields(self.layout, rows), len(rows), ONES)
            with guarded(self.table):
                made = self.table.write_many(self.layout, RowList(rows), size, out, PlainCall(KEY, 0))
            if any(memory.broken for memory in fences.values()):
                fail(f"layout {self.layout!r}: write_many() wrote outside of an array")
            for number, (arrays, whole) in enumerate(batches if made is not None else ()):
                part = {key: array[number * size : (number + 1) * size] for key, array in out.items()}
                self.compare((arrays, whole), (part, dict(made.whole)), "made with others")  # type: ignore[union-attr]
        elif isinstance(self.table, Bulk):
            call = PlainCall(KEY, 0, fill=ONES)
            with guarded(self.table):
                varied = self.table.write_varied(self.layout, RowList(rows), size, call.lease, call)
            for wanted, pair in zip(
                batches, varied[0] if varied is not None else (), strict=varied is not None
            ):
                self.compare(wanted, (dict(pair[0]), dict(pair[1])), "made with others")

    def compare(
        self, wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], how: str
    ) -> None:
        """The same arrays, bit for bit."""
        for one, other in zip(wanted, found, strict=True):
            if changed := difference(copied(dict(one)), copied(dict(other)), "it"):
                fail(f"layout {self.layout!r}: a batch {how} is something else: {changed}")


def check_rows_alone(table: LayoutTable, rows: Numbers) -> None:
    """What is said of a row depends on the row alone."""
    said: dict[str, Callable[[Numbers], NDArray[Any]]] = {}
    if isinstance(table, Sized):
        said["sizes"] = table.sizes
    if isinstance(table, Grouped):
        said |= {f"group({by!r})": partial(table.group, by) for by in table.groups}
    if isinstance(table, Budgeted):
        said |= {f"demand({by!r})": partial(demanded, table, by) for by in table.budgets}
    for name, ask in said.items():
        together = np.asarray(ask(rows))
        if together.shape != rows.shape:
            fail(f"{name} of {len(rows)} rows has the shape {together.shape}")
        alone = np.concatenate([ask(rows[at : at + 1]) for at in range(len(rows))])
        if changed := difference(together, alone, name):
            fail(f"a row by itself has another {changed}")


def demanded(table: Budgeted, by: str, rows: Numbers) -> NDArray[np.int64]:
    """What each row takes, as one number of its cost and kind."""
    demand = table.demand(by, rows)
    if len(demand.costs) and min(demand.costs.min(), demand.kinds.min()) < 0:
        fail(f"demand({by!r}) gave a cost or a kind below 0")
    mixed: NDArray[np.int64] = demand.costs * 1_000_003 + demand.kinds
    return mixed


def check_twice(records: LayoutRecords, table: LayoutTable, rows: Numbers) -> None:
    """Another table of the same records gives the same, and closing it does not concern the first."""
    layout = records.layouts[0]
    wanted, _ = Exam(table, layout, rows).gather(rows)
    with closing(opened(records)) as other:
        if len(other) != len(table):
            fail(f"opened twice, the records have {len(table)} rows and {len(other)}")
        found, _ = Exam(other, layout, rows).gather(rows)
    if changed := difference(copied(wanted), copied(found), "it"):
        fail(f"opened twice, the records differ: {changed}")
    try:
        again, _ = Exam(table, layout, rows).gather(rows)
    except (FlowloadError, ValueError, OSError, AttributeError, TypeError, KeyError) as error:
        raise AssertionError(
            f"a table cannot be read when another of its records was closed: {error!r}"
        ) from error
    if changed := difference(copied(wanted), copied(again), "it"):
        fail(f"a table changed when another of its records was closed: {changed}")
