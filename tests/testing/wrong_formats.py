"""Records and a chunk format that are right, and what they become with one mistake each."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import Layout
from flowload.abc.operators import Bytes, Call
from flowload.abc.record_powers import Gathered, Uniform
from flowload.abc.records import Fields, Numbers, Picks
from flowload.blocks import CHUNK
from flowload.errors import DataError

__all__ = ["WRONG_FORMATS", "WRONG_RECORDS", "Lines", "PlainTable", "Squares", "write_lines"]


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


# --- chunks: every line of a file is one, its records are its bytes, eight at a time ------------------


@dataclass(frozen=True)
class Numbers8:
    """A layout of one number."""

    def fields(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        return {"number": ((), np.dtype("<u8"))}

    def encode(self, rows: Bytes, out: Mapping[str, NDArray[Any]], start: int) -> None:
        out["number"][start : start + len(rows)] = np.ascontiguousarray(rows[:, :8]).view("<u8").reshape(-1)


@dataclass(frozen=True)
class Lines:
    """Chunks are compressed with zlib, each behind its size in four bytes. Packed records have nine bytes."""

    name: str = "lines"
    suffixes: tuple[str, ...] = (".lines",)
    layouts: Mapping[str, Layout] = field(default_factory=lambda: {"number": Numbers8()}, hash=False)
    row_bytes: ClassVar[int] = 9

    def index(self, path: str) -> NDArray[np.void]:
        data, at = Path(path).read_bytes(), 0
        rows: list[tuple[int | bool, ...]] = []
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "little")
            rows.append((at + 4, size, -1, 0, len(rows), -1, 0, -1, True))
            at += 4 + size
        return np.array(rows, CHUNK)

    def inflate(self, fd: int, chunk: np.void, out: Bytes, *, limit: int, where: str) -> tuple[Bytes, int]:
        packed = os.pread(fd, int(chunk["size"]), int(chunk["offset"]))
        try:
            data = np.frombuffer(zlib.decompress(packed), np.uint8)
        except zlib.error as error:
            raise DataError("bad bytes", where=where, found=str(error), wanted="zlib") from error
        if len(data) > limit:
            raise DataError("too large", where=where, found=f"{len(data)} bytes", wanted=f"at most {limit}")
        if len(data) > len(out):
            return data.copy(), 8
        out[: len(data)] = data
        return out[: len(data)], 8

    def describe(self, path: str, chunk: np.void) -> str:
        return f"line {chunk['index']}"

    def pack(self, records: Bytes, which: NDArray[np.int64], out: Bytes) -> bool:
        out[:, :8], out[:, 8] = records[which], 1
        return True

    def records(self, rows: Bytes) -> Bytes:
        back = np.zeros((len(rows), 10), np.uint8)
        back[:, :8] = rows[:, :8]
        return back


def write_lines(path: Path) -> Path:
    """A file of three chunks."""
    with path.open("wb") as file:
        for count in (5, 1, 9):
            packed = zlib.compress(np.arange(count, dtype="<u8").tobytes())
            file.write(len(packed).to_bytes(4, "little") + packed)
    return path


class Beyond(Lines):
    def index(self, path: str) -> Any:
        table = super().index(path)
        table["size"][-1] += 1
        return table


class ByClock(Lines):
    seen: ClassVar[list[int]] = []

    def index(self, path: str) -> Any:
        table = super().index(path)
        self.seen.append(1)
        table["inflated"] = len(self.seen)
        return table


class Numbered(Lines):
    def index(self, path: str) -> Any:
        table = super().index(path)
        table["index"] += 1
        return table


class Claims(Lines):
    def index(self, path: str) -> Any:
        table = super().index(path)
        table["records"] = 6
        return table


class Capped(Lines):
    def index(self, path: str) -> Any:
        table = super().index(path)
        table["cap"] = 0
        return table


class NoLimit(Lines):
    def inflate(self, fd: int, chunk: Any, out: Any, *, limit: int, where: str) -> Any:
        return super().inflate(fd, chunk, out, limit=1 << 40, where=where)


class Spills(Lines):
    def inflate(self, fd: int, chunk: Any, out: Any, *, limit: int, where: str) -> Any:
        made = super().inflate(fd, chunk, out, limit=limit, where=where)
        if len(out):
            np.lib.stride_tricks.as_strided(out, (len(out) + 1,), (1,))[-1] = 1
        return made


class Odd(Lines):
    def inflate(self, fd: int, chunk: Any, out: Any, *, limit: int, where: str) -> Any:
        data, size = super().inflate(fd, chunk, out, limit=limit, where=where)
        return data[:-1], size


class Elsewhere(Lines):
    def inflate(self, fd: int, chunk: Any, out: Any, *, limit: int, where: str) -> Any:
        data, size = super().inflate(fd, chunk, out, limit=limit, where=where)
        return data.copy(), size


class Forgives(Lines):
    def inflate(self, fd: int, chunk: Any, out: Any, *, limit: int, where: str) -> Any:
        packed = os.pread(fd, int(chunk["size"]), int(chunk["offset"]))
        data = np.frombuffer(zlib.decompressobj().decompress(packed), np.uint8)
        if len(data) > limit:
            raise DataError("too large", where=where)
        if len(data) > len(out):
            return data.copy(), 8
        out[: len(data)] = data
        return out[: len(data)], 8


class Unnamed(Lines):
    def describe(self, path: str, chunk: Any) -> str:
        return ""


class FromZero(Numbers8):
    def encode(self, rows: Any, out: Any, start: int) -> None:
        super().encode(rows, out, 0)


class Holey(Numbers8):
    def encode(self, rows: Any, out: Any, start: int) -> None:
        super().encode(rows[:-1], out, start)


class InCompany(Numbers8):
    def encode(self, rows: Any, out: Any, start: int) -> None:
        super().encode(rows, out, start)
        out["number"][start : start + len(rows)] += len(rows)


class Overwrites(Numbers8):
    def encode(self, rows: Any, out: Any, start: int) -> None:
        super().encode(rows, out, start)
        rows[:] = 0


class Lossy(Lines):
    def pack(self, records: Any, which: Any, out: Any) -> bool:
        super().pack(records, which, out)
        out[:, 0] &= 0xFE
        return True


class Trails(Lines):
    def records(self, rows: Any) -> Any:
        back = super().records(rows)
        back[:, 9] = 1
        return back


def with_layout(layout: Layout) -> Lines:
    return Lines(layouts={"number": layout})


WRONG_FORMATS: list[tuple[Any, str]] = [
    (Lines(suffixes=(".other",)), "says that its files end in ['.other']"),
    (Lines(layouts={}), "has no layout"),
    (Beyond(), "index() names bytes up to"),
    (ByClock(), "a second index is another"),
    (Numbered(), "index() numbers chunks from 0"),
    (Capped(), "index() sets `cap` to -1"),
    (Claims(), "the index claims records 6; it holds 5"),
    (NoLimit(), "where 39 are the limit"),
    (Spills(), "inflate() wrote outside of its memory"),
    (Odd(), "inflate() gave 39 bytes of records of 8"),
    (Elsewhere(), "what fits into the memory that is given lies there"),
    (Forgives(), "is inflated as if it were whole"),
    (Unnamed(), "describe() gave nothing"),
    (with_layout(FromZero()), "encode() wrote outside of the rows from `start` on"),
    (with_layout(Holey()), "with other memory it is something else"),
    (with_layout(InCompany()), "alone, a record is something else"),
    (with_layout(Overwrites()), "encode() changed the records that it was given"),
    (Lossy(), "packed and unpacked, they are something else"),
    (Trails(), "records() leaves something behind the records"),
]
