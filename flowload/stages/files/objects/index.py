"""What is in a tar of a store, kept as an object beside it: its chunks are known before it is here.

`run1/x.tar` has `run1/.x.tar.index`: a line of JSON that says of which version of it, by which format; then
the table of chunks, packed; then a digest of all that.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import NamedTuple

import numpy as np

from flowload.abc.chunk_formats import CHUNK, ChunkFormat, Listed, RangedFormat
from flowload.errors import DataError, GraphError
from flowload.files.objects.place import Version
from flowload.files.objects.request import Ask, Store, Wait
from flowload.files.objects.trouble import Budget, again

__all__ = ["ENDING", "ObjectIndex", "index_key", "make_index"]

ENDING = ".index"
MAGIC = b"flowload index 1\n"
DIGEST = 16  #: bytes
MOST = 1 << 30  #: bytes of a table that is unpacked
GAP = 1 << 20  #: bytes between two headers that are read along: a request takes as long
SMALL, LARGE = 1 << 16, 4 << 20  #: bytes of a request behind a larger gap, and where all is read


class ObjectIndex(NamedTuple):
    """The chunks of one version of an object."""

    form: str  #: name of the format
    version: Version
    listed: Listed

    def pack(self) -> bytes:
        """The index as the bytes of the object that holds it."""
        about = {
            "format": self.form,
            "digest": self.version.digest,
            "size": self.version.size,
            "dtype": repr(CHUNK.descr),
            "chunks": len(self.listed.table),
            "left_out": dict(self.listed.left_out),
            "doubtful": dict(self.listed.doubtful),
        }
        body = MAGIC + json.dumps(about).encode() + b"\n" + zlib.compress(self.listed.table.tobytes(), 6)
        return body + hashlib.blake2b(body, digest_size=DIGEST).digest()

    @classmethod
    def unpack(cls, data: bytes, where: str) -> ObjectIndex:
        """What `pack` gave. Raises DataError for anything else."""
        body, digest = data[:-DIGEST], data[-DIGEST:]
        if not body.startswith(MAGIC) or hashlib.blake2b(body, digest_size=DIGEST).digest() != digest:
            raise bad(where, f"{len(data):,} bytes of something else")
        line, _, packed = body[len(MAGIC) :].partition(b"\n")
        try:
            about = json.loads(line)
            rows = int(about["chunks"])
            if about["dtype"] != repr(CHUNK.descr) or not 0 <= rows * CHUNK.itemsize <= MOST:
                raise bad(where, "another version's")
            table = np.frombuffer(zlib.decompress(packed, bufsize=rows * CHUNK.itemsize), CHUNK).copy()
            if len(table) != rows:
                raise bad(where, f"{len(table)} chunks of {rows}")
            version = Version(str(about["digest"]), int(about["size"]))
            return cls(str(about["format"]), version, Listed(table, about["left_out"], about["doubtful"]))
        except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
            raise bad(where, type(error).__name__) from error

    def check(self, form: str, version: Version, where: str) -> ObjectIndex:
        """Itself, if it is of this format and version. Raises DataError."""
        if self.form != form:
            raise DataError("index of another format", where=where, found=repr(self.form), wanted=repr(form))
        if self.version != version:
            found, wanted = (f"version {v.digest} of {v.size:,} bytes" for v in (self.version, version))
            raise DataError("stale index", where=where, found=found, wanted=wanted)
        return self


def bad(where: str, found: str) -> DataError:
    """The error for what is no index."""
    return DataError("bad index", where=where, found=found, wanted="what `flowload index` writes")


def index_key(key: str) -> str:
    """Where the index of an object lies."""
    folder, mark, name = key.rpartition("/")
    return f"{folder}{mark}.{name}{ENDING}"


def make_index(
    store: Store, key: str, version: Version, form: ChunkFormat, wait: Wait, url: str
) -> ObjectIndex:
    """Read what an object holds, by ranges. Raises DataError, and GraphError for a format that cannot."""
    if not isinstance(form, RangedFormat):
        raise GraphError(f"index: the format {form.name!r} cannot list what is in a part of a file")
    listed = form.listed_in(RangeFile(store, key, version, wait, url), url)
    return ObjectIndex(form.name, version, listed)


class RangeFile:
    """An object, read by ranges; see `RangedFormat`.

    Where headers are near each other everything is read, in large pieces: then a request costs more than the
    bytes between. Else only what is asked for, and little more.
    """

    def __init__(self, store: Store, key: str, version: Version, wait: Wait, url: str) -> None:
        self.store = store
        self.key = key
        self.version = version
        self.size = version.size
        self.wait = wait
        self.url = url
        self.start = 0
        self.data = b""

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes at `offset`, fewer at the end. Raises DataError."""
        count = max(0, min(count, self.size - offset))
        end = self.start + len(self.data)
        if count and not (self.start <= offset and offset + count <= end):
            near = bool(self.data) and self.start <= offset < end + GAP
            begin = end if near and offset > end else offset
            size = max(offset + count - begin, LARGE if near else SMALL)
            self.data = again(lambda: self.asked(begin, begin + size), self.url, self.wait, Budget())
            self.start = begin
        at = offset - self.start
        return self.data[at : at + count]

    def asked(self, begin: int, end: int) -> bytes:
        """The bytes of a range. Raises what goes wrong, and DataError for another version."""
        ask = Ask(self.key, begin, min(end, self.size))
        self.store.get(ask.key, ask.start, ask.stop, ask, self.wait)
        if ask.found is not None and ask.found.version != self.version:
            found = f"version {ask.found.version.digest}"
            wanted = f"{self.version.digest}, as when it was listed"
            raise DataError("object changed", where=self.url, found=found, wanted=wanted)
        if not ask.whole:
            raise ConnectionError(f"truncated: {len(ask.data):,} bytes came")
        return ask.data
