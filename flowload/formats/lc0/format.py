"""lc0 training data: chunks (games) of records (positions), gzipped, alone or in tars.

A chunk source is a `.gz` file (one chunk) or an uncompressed tar, read in place, never extracted. Its members
that end in `.gz` are compressed chunks, the others raw ones; `LICENSE` and hidden files are none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import ChunkFormat, Layout, Listed, RangeRead, Unpacked, Uses
from flowload.abc.needs import Need
from flowload.abc.operators import Bytes
from flowload.blocks import CHUNK, ORIGIN
from flowload.errors import DataError, NoDataError
from flowload.files.regular import opened
from flowload.formats.containers import gzip as gz
from flowload.formats.containers.buffered import Window
from flowload.formats.containers.native import native_functions
from flowload.formats.containers.tar import Member, members
from flowload.formats.containers.tar_links import follow_links
from flowload.kernels.chess.packing import pack_records, unpack_records
from flowload.kernels.chess.unpacking import STREAM, Columns, Files, Room, unpack_chunks

from .layouts import BITS, TENSORS, TUPLE, Lc0Layout
from .records import SIZES, check_chunk, check_rows, infer_records
from .rules import check_values

__all__ = ["FORMAT", "Lc0"]

LAYOUTS: Mapping[str, Lc0Layout] = MappingProxyType(
    {layout.name: layout for layout in (TENSORS, TUPLE, BITS)}
)
COLUMNS = ("offset", "size", "inflated", "source", "index", "use", "cap", "gzip")  #: that kernels read
WANTED = "a .tar or .gz file"
#: Which of them a tar program would leave on disk is the last; of tars that were joined each may be meant.
AGAIN = "they have the name of an earlier one"
DEFLATE_MOST = 1032  #: deflate makes at most so many bytes of one
#: Bytes that gzip may add to data that it cannot compress, besides an eighth (fixed codes).
GZIP_ADDS = 1 << 10


@dataclass(frozen=True)
class Lc0:
    """The format `"lc0"`."""

    name: str = "lc0"
    suffixes: tuple[str, ...] = (".tar", ".gz")
    layouts: ClassVar[Mapping[str, Layout]] = LAYOUTS  #: by name; the first is the default
    row_bytes: ClassVar[int] = 2112  #: of a packed record: 226 moves, in whole cache lines; 218 are the most

    def index(self, path: str) -> NDArray[np.void]:
        """Where the chunks of a file are, from headers and the last bytes of members only.

        Raises OSError and DataError: "not a file", "no chunks", "bad gzip", and those of `tar.members`.
        """
        return self.listed(path).table

    def listed(self, path: str) -> Listed:
        """The same, and how many members of a tar cannot be read: see `tar_links`."""
        with opened(path, WANTED, missing=None) as fd:
            return self.listed_in(Window(fd), path)

    def listed_in(self, file: RangeRead, path: str) -> Listed:
        """The same of a file of which only that is read; see `RangedFormat`."""
        found, left_out = chunk_members(file, path)
        if not found:
            told = ", ".join(f"{count} x {reason}" for reason, count in left_out.items())
            raise NoDataError("no chunks", where=path, found=told, wanted="at least one game")
        again = len(found) - len({member.name for member in found})
        return Listed(table(found), left_out, {AGAIN: again} if again else {})

    def inflate(self, fd: int, chunk: np.void, out: Bytes, *, limit: int, where: str) -> tuple[Bytes, int]:
        """Read, inflate and check one chunk: its bytes (in `out` if they fit) and the size of a record.

        Raises OSError and DataError: "truncated file", "chunk too large", and those of `gz.inflate` and of
        `lc0_records.check_chunk`.
        """
        size = int(chunk["size"])
        if chunk["gzip"]:
            check_limit(size, limit + limit // 8 + GZIP_ADDS, where)
            data = os.pread(fd, size, int(chunk["offset"]))
            check_read(len(data), size, where)
            inflated = gz.inflate(data, out, limit=limit, where=where)
        else:
            check_limit(size, limit, where)
            inflated = out[:size] if size <= len(out) else np.empty(size, np.uint8)
            check_read(os.preadv(fd, [inflated.data], int(chunk["offset"])), size, where)
        return inflated, check_chunk(inflated, where)

    def check(self, records: Bytes, which: NDArray[np.int64] | None, where: str) -> None:
        """Check values of the records of a chunk: see `lc0_rules.check_values`."""
        check_values(records, which, where)

    def pack(self, records: Bytes, which: NDArray[np.int64], out: Bytes) -> bool:
        """Pack records to rows of `out`: see `kernels.chess.records`. False: a policy needs a longer row."""
        return pack_records(records, which, out) < 0

    @property
    def in_bulk(self) -> bool:
        """The installed zlib-ng can be called from kernels."""
        return native_functions() is not None

    def unpack(self, uses: Uses, scratch: Bytes, out: Unpacked) -> int:
        """Read, inflate, check, sample and pack chunks by `kernels.chess.unpacking`; only if `in_bulk`."""
        functions = native_functions()
        assert functions is not None, "asked before"  # noqa: S101 - a stage's mistake, not bad input
        return unpack_chunks(functions, *unpacking(uses, scratch, out))

    def needs(self, layout: str | None) -> Iterator[Need]:
        """The kernels of `unpack`, and of the layout."""
        functions = native_functions()
        if functions is not None:
            memory, numbers = np.empty((2, self.row_bytes), np.uint8), np.empty((2, 3), np.int64)
            fds, keys = np.empty(2, np.int32), np.empty(2, np.uint64)
            uses = Uses(np.empty(2, CHUNK), fds, keys, 0, (1, 1, 0), 0)
            out = Unpacked(memory, np.empty(2, ORIGIN), numbers)
            yield unpack_chunks, (functions, *unpacking(uses, memory[0], out))
        if layout is not None:
            yield LAYOUTS[layout].need()

    def records(self, rows: Bytes) -> Bytes:
        """Records as they are on disk, of rows packed or not: (n, 8396), zeros behind each."""
        check_rows(rows, "rows")
        out = np.empty((len(rows), max(SIZES.values())), np.uint8)
        unpack_records(np.ascontiguousarray(rows), out)
        return out

    def describe(self, path: str, chunk: np.void) -> str:
        """The name of a chunk's member, read again from the file; its number, if that cannot be."""
        try:
            with opened(path, WANTED, missing=None) as fd:
                member = chunk_members(Window(fd), path)[0][int(chunk["index"])]
                return member.name + f" (a link to {member.link})" * bool(member.link)
        except (OSError, DataError, IndexError):
            return f"chunk {chunk['index']}"


FORMAT: ChunkFormat = Lc0()


def unpacking(uses: Uses, scratch: Bytes, out: Unpacked) -> tuple[Any, ...]:
    """What `unpack_chunks` takes, but for the functions."""
    return (
        np.zeros(STREAM, np.int64),
        Files(uses.fds, uses.keys),
        Columns(*(uses.table[name] for name in COLUMNS)),
        (np.uint64(uses.seed), uses.rule),
        scratch,
        (uses.limit, uses.checked),
        Room(out.rows, out.origin.view(np.int32).reshape(-1, 3), out.counts),
    )


def chunk_members(file: RangeRead, path: str) -> tuple[list[Member], Mapping[str, int]]:
    """The chunks of a source, in order, and how many members cannot be read, by reason."""
    if path.lower().endswith(".tar.gz"):
        raise DataError("compressed tar", where=path, found="gzip data", wanted="an uncompressed tar")
    if not zipped(path):
        found, left_out = follow_links(members(file, path))
        return [member for member in found if is_chunk(member.name)], left_out
    if size := file.size:
        if (start := file.read(0, 2)) != gz.MAGIC:
            raise DataError("bad gzip", where=path, found=f"{start!r} at the start", wanted=repr(gz.MAGIC))
        return [Member(path.rpartition(os.sep)[2], 0, size, file.read(max(0, size - 8), 8))], {}
    return [], {}


def is_chunk(name: str) -> bool:
    """Whether a member of this name is a chunk."""
    base = name.rpartition("/")[2]
    return base != "LICENSE" and not base.startswith(".")


def zipped(name: str) -> bool:
    """Whether a file or member of this name is compressed."""
    return name.lower().endswith(".gz")


def table(found: list[Member]) -> NDArray[np.void]:
    """Members as rows of `CHUNK`."""
    rows = np.zeros(len(found), CHUNK)
    rows["offset"] = [member.offset for member in found]
    rows["size"] = size = np.array([member.size for member in found], np.int64)
    rows["gzip"] = packed = np.array([zipped(member.link or member.name) for member in found])
    # A gzip member ends with the size of its data. That is a claim: false where there are several members
    # or padding; what cannot be is left out here, the rest is known when the chunk is inflated.
    claim = np.array([int.from_bytes(member.tail[4:], "little") for member in found], np.int64)
    likely = (claim > 0) & (claim <= DEFLATE_MOST * size) & (size <= claim + claim // 8 + GZIP_ADDS)
    rows["inflated"] = np.where(packed, np.where(likely, claim, -1), size)
    rows["records"] = infer_records(rows["inflated"])
    rows["index"] = np.arange(len(found))
    rows["cap"] = -1
    return rows


def check_limit(size: int, limit: int, where: str) -> None:
    """Refuse to read more than could be accepted."""
    if size > limit:
        raise DataError("chunk too large", where=where, found=f"{size} bytes", wanted=f"at most {limit}")


def check_read(count: int, size: int, where: str) -> None:
    """Refuse a file that has become shorter than its index says."""
    if count < size:
        raise DataError("truncated file", where=where, found=f"{count} bytes of a chunk", wanted=str(size))
