"""A full chunk format of a simple one: chunks are looked at, and laid where records are wanted."""

from __future__ import annotations

import lzma
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError

from .chunk_formats import CHUNK, Layout
from .operators import Bytes, NamedArrays
from .records import Fields
from .simple import RecordFormat

__all__ = ["AdaptedFormat", "full_format"]

#: What libraries raise for bytes that are not what they should be.
BAD_BYTES = ValueError, EOFError, OSError, zlib.error, lzma.LZMAError, struct.error


@dataclass(frozen=True)
class FieldsOfDtype:
    """The layout of records of one dtype: an array for each of its fields, or one named "x"."""

    record: np.dtype[Any]

    def fields(self) -> Fields:
        """Their shapes and dtypes, in this machine's byte order."""
        return {key: (kind.shape, kind.base.newbyteorder("=")) for key, kind in self.kinds().items()}

    def kinds(self) -> Mapping[str, np.dtype[Any]]:
        """The fields as they lie in a record."""
        named = self.record.fields
        return {"x": self.record} if named is None else {str(key): named[key][0] for key in named}

    def encode(self, rows: Bytes, out: NamedArrays, start: int) -> None:
        """Copy each field to its array."""
        if not len(rows):
            return
        records = np.ascontiguousarray(rows[:, : self.record.itemsize])
        for key, kind in self.kinds().items():
            offset = 0 if self.record.fields is None else self.record.fields[key][1]
            part = np.ascontiguousarray(records[:, offset : offset + kind.itemsize])
            values = part.view(kind.base).reshape(len(rows), *kind.shape)
            out[key][start : start + len(rows)] = values


@dataclass(frozen=True)
class AdaptedFormat:
    """A full chunk format of a simple one."""

    given: RecordFormat

    @property
    def name(self) -> str:
        """Its own."""
        return self.given.name

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Its own, or its name."""
        return tuple(getattr(self.given, "suffixes", (f".{self.given.name}",)))

    @property
    def layouts(self) -> Mapping[str, Layout]:
        """Its own, or the fields of its records."""
        own: Mapping[str, Layout] = getattr(self.given, "layouts", {"fields": FieldsOfDtype(self.record)})
        return own

    @property
    def record(self) -> np.dtype[Any]:
        """Of one record."""
        return np.dtype(self.given.record)

    def index(self, path: str) -> NDArray[np.void]:
        """See `ChunkFormat.index`. Raises DataError for chunks that do not lie in the file."""
        try:
            places = [(int(offset), int(size)) for offset, size in self.given.index(path)]
        except BAD_BYTES as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                "no index", where=path, found=repr(error), wanted=f"a file of format {self.name!r}"
            ) from error
        length = Path(path).stat().st_size
        table = np.zeros(len(places), CHUNK)
        for number, (offset, size) in enumerate(places):
            if offset < 0 or size < 1 or offset + size > length:
                found = f"bytes {offset} to {offset + size}"
                wanted = f"a part of its {length} bytes"
                raise DataError("no such chunk", where=f"{path}: chunk {number}", found=found, wanted=wanted)
            table[number] = (offset, size, -1, 0, number, -1, 0, -1, False)
        return table

    def inflate(self, fd: int, chunk: np.void, out: Bytes, *, limit: int, where: str) -> tuple[Bytes, int]:
        """See `ChunkFormat.inflate`. Raises DataError for bytes that it cannot inflate."""
        size = int(chunk["size"])
        packed = os.pread(fd, size, int(chunk["offset"]))
        if len(packed) < size:
            raise DataError("truncated", where=where, found=f"{len(packed)} bytes", wanted=f"{size}")
        try:
            data = np.frombuffer(self.given.inflate(packed), np.uint8)
        except BAD_BYTES as error:
            if isinstance(error, DataError):
                raise
            wanted = f"a chunk of format {self.name!r}"
            raise DataError("cannot be inflated", where=where, found=repr(error), wanted=wanted) from error
        record = self.record.itemsize
        if len(data) > limit:
            raise DataError("too large", where=where, found=f"{len(data)} bytes", wanted=f"at most {limit}")
        if len(data) % record:
            wanted = f"whole records of {record} bytes"
            raise DataError("bad length", where=where, found=f"{len(data)} bytes", wanted=wanted)
        if len(data) > len(out):
            return data.copy(), record
        out[: len(data)] = data
        return out[: len(data)], record

    def describe(self, path: str, chunk: np.void) -> str:
        """Its own words, or the chunk's number."""
        own = getattr(self.given, "describe", None)
        number = int(chunk["index"])
        return f"chunk {number}" if own is None else str(own(path, number))


def full_format(given: Any) -> Any:
    """A chunk format that a user wrote, in its full form."""
    return AdaptedFormat(given) if isinstance(given, RecordFormat) else given
