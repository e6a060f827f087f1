"""Records that are right, and what they become with one mistake each."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.record_powers import Gathered, Uniform
from flowload.abc.records import Fields, Numbers, Picks

__all__ = ["WRONG_RECORDS", "PlainTable", "Squares"]


@dataclass(frozen=True)
class Squares:
    """Row i holds i, and its square in every place; `open` makes the table that the test names."""

    n: int = 100
    table: type[PlainTable] | None = None

    name: ClassVar[str] = "squares"
    layouts: ClassVar[Sequence[str]] = ("plain", "both")

    def fields(self, layout: str) -> Fields:
        return {}

    def open(self) -> PlainTable:
        return (self.table or PlainTable)(self.n)


class PlainTable(Uniform):
    """A table without a mistake; rows that 10 divides cannot be used."""

    layouts: Sequence[str] = Squares.layouts
    groups: Sequence[str] = ("decade",)
    swift = True

    def __init__(self, n: int) -> None:
        self.n = n
        self.constant = np.arange(3)
        self.constant.flags.writeable = False

    def __len__(self) -> int:
        return self.n

    def usable(self, rows: Numbers, call: Call) -> Numbers:
        good = rows % 10 != 0
        call.drop(int((~good).sum()), "tens")
        return np.asarray(rows[good], np.int64)

    def fields(self, layout: str, rows: Numbers) -> Fields:
        first: Fields = {"row": ((), np.dtype(np.int64))}
        return first if layout == "plain" else {**first, "square": ((4,), np.dtype(np.float32))}

    def write(
        self, layout: str, rows: Numbers, out: Mapping[str, NDArray[Any]], call: Call
    ) -> Mapping[str, NDArray[Any]]:
        out["row"][:] = rows
        if "square" in out:
            out["square"][:] = rows[:, None] ** 2
        return {"constant": self.constant}

    def sizes(self, rows: Numbers) -> NDArray[np.int32]:
        return (rows % 7).astype(np.int32)

    def group(self, by: str, rows: Numbers) -> NDArray[np.uint64]:
        return (rows // 10).astype(np.uint64)

    def describe(self, row: int) -> str:
        return f"squares, row {row}"

    def close(self) -> None:
        pass


# --- one mistake each: the class, and words of what the exam says -------------------------------------


class Hole(PlainTable):
    def write(self, layout: str, rows: Any, out: Any, call: Any) -> Any:
        made = super().write(layout, rows[:-1], {key: array[:-1] for key, array in out.items()}, call)
        out["row"][-1:-1] = 0
        return made


class Outside(PlainTable):
    def write(self, layout: str, rows: Any, out: Any, call: Any) -> Any:
        made = super().write(layout, rows, out, call)
        array = out["row"]
        memory = np.lib.stride_tricks.as_strided(array, (len(array) + 1,), array.strides)
        memory[-1] = 7
        return made


class ByPlace(PlainTable):
    def write(self, layout: str, rows: Any, out: Any, call: Any) -> Any:
        made = super().write(layout, rows, out, call)
        out["row"][:] += np.arange(len(rows))
        return made


class ByTime(PlainTable):
    calls = 0

    def write(self, layout: str, rows: Any, out: Any, call: Any) -> Any:
        made = super().write(layout, rows, out, call)
        type(self).calls += 1
        out["row"][:] += type(self).calls
        return made


class OneScratch(PlainTable):
    """Its calls share an array; the barrier makes two of them meet."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.scratch = np.zeros(1000, np.int64)
        self.meet = threading.Barrier(2)

    def write(self, layout: str, rows: Any, out: Any, call: Any) -> Any:
        made = super().write(layout, rows, out, call)
        which = threading.get_ident()
        self.scratch[: len(rows)] = rows
        if threading.current_thread() is not threading.main_thread():
            self.scratch[0] = which
            self.meet.wait(10)
            if self.scratch[0] != which:
                out["row"][:] = self.scratch[: len(rows)]
        return made


class ChangesRows(PlainTable):
    def write(self, layout: str, rows: Any, out: Any, call: Any) -> Any:
        made = super().write(layout, rows, out, call)
        rows.sort()
        return made


class OneWhole(PlainTable):
    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.constant = np.arange(3)


class Swaps(PlainTable):
    def usable(self, rows: Any, call: Any) -> Any:
        return np.sort(super().usable(rows, call))


class Invents(PlainTable):
    def usable(self, rows: Any, call: Any) -> Any:
        return np.append(super().usable(rows, call), 3)


class CountsNothing(PlainTable):
    def usable(self, rows: Any, call: Any) -> Any:
        return rows[rows % 10 != 0]


class Sorts(PlainTable):
    def usable(self, rows: Any, call: Any) -> Any:
        rows.sort()
        return super().usable(rows, call)


class UsesNothing(PlainTable):
    def usable(self, rows: Any, call: Any) -> Any:
        call.drop(len(rows), "all")
        return rows[:0]


class NoArrays(PlainTable):
    def fields(self, layout: str, rows: Any) -> Any:
        return {}


class Nameless(PlainTable):
    def describe(self, row: int) -> str:
        return " "


class Empty(PlainTable):
    def __len__(self) -> int:
        return 0


class OtherLayouts(PlainTable):
    layouts = ("plain",)


class SizesByPlace(PlainTable):
    def sizes(self, rows: Any) -> Any:
        return np.arange(len(rows), dtype=np.int32)


class GroupsByPlace(PlainTable):
    def group(self, by: str, rows: Any) -> Any:
        return np.arange(len(rows)).astype(np.uint64)


class ManyShift(PlainTable):
    def write_many(self, layout: str, picks: Picks, size: int, out: Any, call: Any) -> Gathered | None:
        made = super().write_many(layout, picks, size, out, call)
        out["row"][size:] += 1
        return made


class Together(PlainTable):
    """Tables share what they have open."""

    open_now: ClassVar[set[int]] = set()

    def write(self, layout: str, rows: Any, out: Any, call: Any) -> Any:
        if self.n in self.open_now:
            raise OSError("closed")
        return super().write(layout, rows, out, call)

    def close(self) -> None:
        self.open_now.add(self.n)


class Grows(PlainTable):
    def __len__(self) -> int:
        return self.n if self is first_of(self) else self.n + 1


FIRST: dict[type, PlainTable] = {}


def first_of(table: PlainTable) -> PlainTable:
    return FIRST.setdefault(type(table), table)


WRONG_RECORDS: list[tuple[Any, str]] = [
    (Hole, "a batch with other memory is something else"),
    (Outside, "write() wrote outside of the array 'row'"),
    (ByPlace, "alone, a row is not what it is in reversed company"),
    (ByTime, "is something else"),
    (OneScratch, "a batch in several threads at once is something else"),
    (ChangesRows, "write() changed the row numbers that it was given"),
    (OneWhole, "batches share 'constant', so it must be read-only"),
    (Swaps, "wanted some of them, in order"),
    (Invents, "wanted some of them, in order"),
    (CountsNothing, "and counted 0 as dropped or rejected"),
    (Sorts, "usable() changed the array that it was given"),
    (UsesNothing, "none of the rows can be used"),
    (NoArrays, "fields() names no array"),
    (Nameless, "wanted the file and the record, for messages"),
    (Empty, "the table has no row"),
    (OtherLayouts, "the table's layouts are ['plain']"),
    (SizesByPlace, "a row by itself has another sizes"),
    (GroupsByPlace, "a row by itself has another group('decade')"),
    (ManyShift, "a batch made with others is something else"),
    (Together, "cannot be read when another of its records was closed"),
    (Grows, "opened twice, the records have"),
]
