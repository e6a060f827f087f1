"""The exam for whoever writes a chunk format: does it keep what `flowload.abc.chunk_formats` asks?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.adapted_format import full_format
from flowload.abc.chunk_formats import (
    BulkFormat,
    CheckedFormat,
    ChunkFormat,
    Layout,
    PackingFormat,
    Unpacked,
    Uses,
)
from flowload.abc.operators import Bytes
from flowload.abc.simple import RecordFormat
from flowload.blocks import CHUNK, ORIGIN, SourceFile
from flowload.errors import DataError

from .bench import fail
from .content import difference
from .memory import Fenced, arrays_for

__all__ = ["check_format"]

LIMIT = 1 << 28  #: bytes of an inflated chunk, at most
ZEROS, ONES = 0x00, 0xFF
EVERY = 1, 1, 0  #: the rule that takes every record: see `kernels.chunks.schedule.choose`


def check_format(given: ChunkFormat | RecordFormat, path: str | Path, *, chunks: int = 6) -> int:
    """Examine a chunk format that you wrote, on a file of it.

    ```python
    from flowload.formats.lc0.format import FORMAT
    check_format(FORMAT, "games/first.tar")      # or a format of your own, and a file of it
    ```

    What is examined: that the index names chunks inside the file, the same every time, and claims nothing
    that is not so; that a chunk is inflated whole, the same into any memory and nowhere beside it, and not
    beyond the limit; that a file that was cut off is a DataError; that every layout writes every array whole,
    at its place and nowhere else, each record as if it were alone; that packing keeps every bit, and that
    what is packed or unpacked in bulk is what is made chunk by chunk.

    Args:
        given: the format.
        path: a file of at least one chunk.
        chunks: how many of them are tried, the first and the last among them.

    Returns:
        how many records these hold.

    Raises AssertionError that tells what differs, and where; DataError where the file is none of the format.

    Examples:
        >>> from flowload.formats.lc0 import FORMAT
        >>> from flowload.testing import check_format
        >>> first = min(sample_path("chess").glob("*.tar"))
        >>> check_format(FORMAT, first, chunks=2) > 0
        True
    """
    form: ChunkFormat = full_format(given)
    path = str(path)
    if not form.name or not form.suffixes or not any(path.lower().endswith(end) for end in form.suffixes):
        fail(f"{path}: the format {form.name!r} says that its files end in {list(form.suffixes)}")
    if not form.layouts:
        fail(f"format {form.name!r} has no layout")
    table = check_index(form, path)
    which = sorted({*np.linspace(0, len(table) - 1, min(chunks, len(table))).astype(int).tolist()})
    with opened(path) as fd:
        exams = [Exam(form, path, fd, table[number]) for number in which]
        for exam in exams:
            exam.check_inflate()
            exam.check_layouts()
            exam.check_packing()
        if isinstance(form, BulkFormat) and form.in_bulk:
            check_bulk(form, exams)
    check_cut(form, path, table)
    return sum(len(exam.records) for exam in exams)


@contextmanager
def opened(path: str) -> Iterator[int]:
    """The file, for positional reads."""
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def check_index(form: ChunkFormat, path: str) -> NDArray[np.void]:
    """Chunks lie inside the file, in its order, and are the same every time."""
    table = form.index(path)
    if table.dtype != CHUNK or table.ndim != 1 or not len(table):
        fail(f"index() gave {table.dtype} of shape {table.shape}; wanted rows of flowload.blocks.CHUNK")
    if changed := difference(table, form.index(path), "index"):
        fail(f"a second index is another: {changed}")
    ends, length = table["offset"] + table["size"], Path(path).stat().st_size
    if (table["offset"] < 0).any() or (table["size"] <= 0).any() or ends.max() > length:
        fail(f"index() names bytes up to {ends.max():,} of a file of {length:,}")
    if (
        not np.array_equal(table["index"], np.arange(len(table)))
        or table["source"].any()
        or table["use"].any()
    ):
        fail("index() numbers chunks from 0, and leaves `source` and `use` at 0")
    if (table["cap"] != -1).any():
        fail("index() sets `cap` to -1: shares are the stages' business")
    return table


@dataclass(frozen=True)
class Exam:
    """One chunk of a file."""

    form: ChunkFormat
    path: str
    fd: int
    chunk: np.void

    @property
    def where(self) -> str:
        """File and chunk, for messages."""
        return f"{self.path}: chunk {self.chunk['index']}"

    @cached_property
    def records(self) -> Bytes:
        """Its records: (n, size of one)."""
        data, size = self.inflate(np.empty(0, np.uint8))
        if size <= 0 or len(data) == 0 or len(data) % size:
            fail(f"{self.where}: inflate() gave {len(data)} bytes of records of {size}")
        return np.array(data).reshape(-1, size)

    def inflate(self, out: Bytes, limit: int = LIMIT) -> tuple[Bytes, int]:
        """Its bytes, and the size of a record."""
        data, size = self.form.inflate(self.fd, self.chunk, out, limit=limit, where=self.where)
        return data, int(size)

    def check_inflate(self) -> None:
        """The same into any memory, and nowhere beside it."""
        wanted, size = self.records.reshape(-1), self.records.shape[1]
        for room in (len(wanted), len(wanted) + 1000, max(0, len(wanted) - 1)):
            memory = Fenced(room, ONES)
            data, found = self.inflate(memory.data)
            if memory.broken:
                fail(f"{self.where}: inflate() wrote outside of its memory of {room} bytes")
            if changed := difference(wanted, np.array(data), "bytes"):
                fail(f"{self.where}: into {room} bytes it is inflated to something else: {changed}")
            if found != size or (room >= len(data) and not np.shares_memory(data, memory.data)):
                fail(
                    f"{self.where}: what fits into the memory that is given lies there, in records of {size}"
                )
        self.check_claims()

    def check_claims(self) -> None:
        """The index claims what is so, or nothing; the limit is kept, and the chunk has a name."""
        wanted = self.records.reshape(-1)
        for name, count in (("inflated", len(wanted)), ("records", len(self.records))):
            if self.chunk[name] not in (-1, count):
                fail(f"{self.where}: the index claims {name} {self.chunk[name]}; it holds {count}")
        try:
            self.inflate(np.empty(len(wanted), np.uint8), limit=len(wanted) - 1)
        except DataError:
            pass
        else:
            fail(f"{self.where}: inflate() gave {len(wanted)} bytes where {len(wanted) - 1} are the limit")
        if not str(self.form.describe(self.path, self.chunk)).strip():
            fail(f"{self.where}: describe() gave nothing; wanted the chunk's name in its file")
        if isinstance(self.form, CheckedFormat):
            self.form.check(self.records, None, self.where)

    def check_layouts(self) -> None:
        """Arrays are written whole, at their place and nowhere else, each record as if it were alone."""
        for name, layout in self.form.layouts.items():
            wanted = self.encoded(name, layout, self.records, ZEROS)
            if changed := difference(wanted, self.encoded(name, layout, self.records, ONES), "it"):
                fail(f"layout {name!r}: with other memory it is something else: {changed}")
            for row in {0, len(self.records) // 2, len(self.records) - 1}:
                alone = self.encoded(name, layout, self.records[row : row + 1], ONES)
                part = {key: array[row : row + 1] for key, array in wanted.items()}
                if changed := difference(part, alone, f"record {row}"):
                    fail(f"layout {name!r}: alone, a record is something else: {changed}")

    def encoded(self, name: str, layout: Layout, rows: Bytes, fill: int) -> dict[str, NDArray[Any]]:
        """What a layout makes of records, written to the middle of a batch."""
        fences, out = arrays_for(layout.fields(), len(rows) + 3, fill)
        before = rows.copy()
        layout.encode(rows, out, 2)
        around = {key: np.concatenate([array[:2], array[2 + len(rows) :]]) for key, array in out.items()}
        untouched = all((np.ascontiguousarray(each).view(np.uint8) == fill).all() for each in around.values())
        if any(memory.broken for memory in fences.values()) or not untouched:
            fail(f"layout {name!r}: encode() wrote outside of the rows from `start` on")
        if not np.array_equal(before, rows):
            fail(f"layout {name!r}: encode() changed the records that it was given")
        return {key: array[2 : 2 + len(rows)].copy() for key, array in out.items()}

    def check_packing(self) -> None:
        """Packing keeps every bit, and layouts make the same of what is packed."""
        if not isinstance(self.form, PackingFormat):
            return
        packed = self.packed(self.form)
        if packed is None:
            return
        back = self.form.records(packed)
        size = self.records.shape[1]
        if changed := difference(self.records, np.ascontiguousarray(back[:, :size]), "records"):
            fail(f"{self.where}: packed and unpacked, they are something else: {changed}")
        if back[:, size:].any():
            fail(f"{self.where}: records() leaves something behind the records")
        for name, layout in self.form.layouts.items():
            wanted = self.encoded(name, layout, self.records, ZEROS)
            if changed := difference(wanted, self.encoded(name, layout, packed, ZEROS), "it"):
                fail(f"layout {name!r}: of packed records it is something else: {changed}")

    def packed(self, form: PackingFormat) -> Bytes | None:
        """All of its records, packed; None where they do not fit."""
        memory = Fenced(len(self.records) * form.row_bytes, ONES)
        rows = memory.data.reshape(len(self.records), form.row_bytes)
        fits = form.pack(self.records, np.arange(len(self.records)), rows)
        if memory.broken:
            fail(f"{self.where}: pack() wrote outside of its rows")
        return rows if fits else None


def check_bulk(form: BulkFormat, exams: Sequence[Exam]) -> None:
    """Many chunks in one call are what they are one by one."""
    path, fd = exams[0].path, exams[0].fd
    table = np.array([exam.chunk for exam in exams], CHUNK)
    parts = [exam.packed(form) for exam in exams]
    if any(part is None for part in parts):
        return
    wanted = np.concatenate([part for part in parts if part is not None])
    largest = max(len(exam.records.reshape(-1)) for exam in exams) + int(table["size"].max()) + 4096
    memory = Fenced(wanted.nbytes, ONES)
    origin, counts = np.zeros(len(wanted), ORIGIN), np.zeros((len(table), 3), np.int64)
    keys = np.array([SourceFile(path).key], np.uint64)
    uses = Uses(table, np.array([fd], np.int32), keys, 0, EVERY, LIMIT)
    out = Unpacked(memory.data.reshape(wanted.shape), origin, counts)
    done = form.unpack(uses, np.full(largest, ONES, np.uint8), out)
    if done != len(table):
        fail(f"{path}: unpack() gave up at chunk {table['index'][done]}, which inflate() can do with")
    told = [[len(exam.records), len(exam.records), 0] for exam in exams]
    places = [(0, int(exam.chunk["index"]), k) for exam in exams for k in range(len(exam.records))]
    if counts.tolist() != told or origin.tolist() != places:
        fail(f"{path}: unpack() tells other counts or origins than the chunks have")
    if memory.broken or difference(form.records(wanted), form.records(out.rows), "records"):
        fail(f"{path}: unpack() gives other records than inflate() and pack()")


def check_cut(form: ChunkFormat, path: str, table: NDArray[np.void]) -> None:
    """A file that ends within its last chunk is bad data, whoever notices."""
    last = table[int(np.argmax(table["offset"] + table["size"]))]
    size = int(last["offset"] + last["size"]) - 1
    with tempfile.TemporaryDirectory() as folder:
        short = str(Path(folder, Path(path).name))
        Path(short).write_bytes(Path(path).read_bytes()[:size])
        try:
            with opened(short) as fd:
                form.inflate(fd, last, np.empty(0, np.uint8), limit=LIMIT, where=f"{short}: the last chunk")
        except DataError:
            return
        fail(f"{path}: a copy that ends within its last chunk is inflated as if it were whole")
