"""Chunk formats that are right, and others with one mistake each, which the exam has to name.

Every line of a file is a chunk, its records are its bytes, eight at a time.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import Layout
from flowload.abc.operators import Bytes
from flowload.blocks import CHUNK
from flowload.errors import DataError

__all__ = ["WRONG_FORMATS", "Lines", "write_lines"]


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
