"""Inflate gzip data into memory that is already there.

zlib-ng does it faster than any other library here, and without the interpreter's lock.
"""

from __future__ import annotations

import gzip
import io
from typing import Any, Protocol, cast

import numpy as np
from zlib_ng import gzip_ng, zlib_ng

from flowload.abc.operators import Bytes
from flowload.errors import DataError

__all__ = ["inflate"]

GROWTH = 2  #: how much larger the next buffer is when the data outgrow one
FIRST = 1 << 16  #: bytes of the smallest such buffer
PIECE = 1 << 20  #: bytes inflated at a time to find a fault
STEP = 1 << 9  #: bytes that a member is looked for in at first: there may be very many, and small
LOOKED_AT = 10_000  #: members in which a fault is looked for; of later ones it is said that there is one
MAGIC = b"\x1f\x8b"
FAULTS = {"data check": "bad CRC", "length check": "wrong gzip size"}  #: zlib's words, ours
ZLIB_ERROR = cast("type[Exception]", zlib_ng.error)


class Reader(Protocol):
    """The decompressed bytes of gzip data."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer; how many bytes came."""


def open_reader(data: bytes) -> Reader:
    """A reader of gzip data.

    The class behind the library's public one reads from `data` in place instead of copying it to a buffer
    of half a megabyte that is allocated for each chunk: 15 % of the time of an lc0 chunk.
    """
    direct: Any = getattr(zlib_ng, "_GzipReader", None)
    public: Any = gzip_ng.GzipNGFile
    reader: Reader = public(fileobj=io.BytesIO(data)) if direct is None else direct(data)
    return reader


def inflate(data: bytes, out: Bytes, *, limit: int, where: str) -> Bytes:
    """All that the gzip members of `data` hold, in `out` if it fits, else in new memory.

    Args:
        data: one or more gzip members; zeros may follow.
        out: contiguous memory.
        limit: of the decompressed size, in bytes; not much more memory than that is ever allocated.
        where: file and member, for messages.

    Raises DataError: "truncated gzip", "bad gzip", "bad CRC", "wrong gzip size", "trailing garbage",
    "chunk too large".
    """
    reader = open_reader(data)
    try:
        return read_all(reader, out[:limit], limit, where)
    except (EOFError, gzip.BadGzipFile, ZLIB_ERROR) as error:
        raise diagnosis(data, str(error), where) from error


def read_all(reader: Reader, out: Bytes, limit: int, where: str) -> Bytes:
    """Read to the end, growing where it must be."""
    size = 0
    while True:
        if size < len(out):
            count = reader.readinto(out[size:].data)
            if count == 0:
                return out[:size]
            size += count
            continue
        # The buffer is full: only one more read tells whether that was all, and checks the CRC if so.
        more = reader.read(1)
        if not more:
            return out
        if size >= limit:
            found = f"more than {limit} bytes"
            raise DataError("chunk too large", where=where, found=found, wanted="at most so many")
        larger = np.empty(min(limit, max(FIRST, GROWTH * size)), np.uint8)
        larger[:size] = out
        larger[size] = more[0]
        out, size = larger, size + 1


def diagnosis(data: bytes, message: str, where: str) -> DataError:
    """What is wrong with data that could not be inflated, found by going through their members again."""
    at = number = 0
    while MAGIC.startswith(data[at : at + 2]) and at < len(data) and number < LOOKED_AT:
        try:
            end = end_of_member(data, at)
        except ZLIB_ERROR as error:
            reason = next((word for text, word in FAULTS.items() if text in str(error)), "bad gzip")
            return DataError(reason, where=where, found=f"{error}, in gzip member {number}")
        if end is None:
            found = f"an end within gzip member {number}, after {len(data)} bytes"
            return DataError("truncated gzip", where=where, found=found, wanted="its end")
        at, number = end_of_zeros(data, end), number + 1
    if number == 0:
        return DataError("bad gzip", where=where, found=f"{data[:2]!r} at the start", wanted=repr(MAGIC))
    if at < len(data) and number < LOOKED_AT:
        found = f"{len(data) - at} bytes after {number} gzip members"
        return DataError("trailing garbage", where=where, found=found, wanted="nothing but zeros")
    return DataError("bad gzip", where=where, found=message)


def end_of_member(data: bytes, at: int) -> int | None:
    """Where the gzip member ends that begins at a byte; None: it does not. Reads not much more than that."""
    engine = zlib_ng.decompressobj(31)
    piece, step = b"", STEP
    while not engine.eof:
        if not piece:
            piece = data[at : at + step]
            at, step = at + len(piece), min(2 * step, PIECE)
        out, before = engine.decompress(piece, PIECE), len(piece)
        piece = engine.unconsumed_tail
        if not out and len(piece) == before and at == len(data) and not engine.eof:
            return None
    return at - len(engine.unused_data)


def end_of_zeros(data: bytes, at: int) -> int:
    """The first byte from one on that is not 0."""
    step = STEP
    while at < len(data):
        piece = data[at : at + step]
        rest = len(piece.lstrip(b"\0"))
        at, step = at + len(piece) - rest, min(2 * step, PIECE)
        if rest:
            break
    return at
