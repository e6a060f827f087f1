"""Where the chunks of a local zarr array lie: files of a folder, or stored members of a zip."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from flowload.errors import DataError
from flowload.protocols import Bytes

__all__ = ["ChunkFiles", "Extent", "Folder", "ZipMembers", "opened", "read_exactly"]

#: Of a zip member's local header: its size, and where the lengths of name and extra field stand.
LOCAL, LENGTHS = 30, 26


class Extent(NamedTuple):
    """The bytes of a chunk in an open file."""

    fd: int
    offset: int
    size: int


class ChunkFiles(Protocol):
    """Finds the bytes of chunks. Opened for each use, so that no descriptor outlives a call."""

    def open(self, key: str) -> Extent | None:
        """The bytes of a chunk; None where there is none. The caller closes the file."""

    def has(self, key: str) -> bool:
        """Whether there is such a chunk."""


class Folder:
    """A file a chunk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, key: str) -> Extent | None:
        """See `ChunkFiles`."""
        try:
            fd = os.open(f"{self.path}/{key}", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Extent(fd, 0, os.fstat(fd).st_size)

    def has(self, key: str) -> bool:
        """See `ChunkFiles`."""
        return (self.path / key).is_file()


class ZipMembers:
    """Chunks of an array in a zip whose members are stored as they are.

    Args:
        path: of the zip.
        inner: the array's path inside.
    """

    def __init__(self, path: Path, inner: str) -> None:
        self.path = path
        prefix = f"{inner}/" if inner else ""
        with zipfile.ZipFile(path) as file:
            found = [info for info in file.infolist() if info.filename.startswith(prefix)]
        #: where the header of each member begins, and bytes
        self.members = {info.filename[len(prefix) :]: (info.header_offset, info.file_size) for info in found}
        self.stored = all(info.compress_type == zipfile.ZIP_STORED for info in found)

    def open(self, key: str) -> Extent | None:
        """See `ChunkFiles`."""
        if key not in self.members:
            return None
        header, size = self.members[key]
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        head = os.pread(fd, LOCAL, header)
        if len(head) < LOCAL or not head.startswith(b"PK\x03\x04"):
            os.close(fd)
            raise DataError("bad zip", where=f"{self.path}: {key}", found=repr(head[:4]), wanted="a header")
        name, extra = struct.unpack_from("<HH", head, LENGTHS)
        return Extent(fd, header + LOCAL + name + extra, size)

    def has(self, key: str) -> bool:
        """See `ChunkFiles`."""
        return key in self.members


@contextmanager
def opened(files: ChunkFiles, key: str) -> Iterator[Extent | None]:
    """The bytes of a chunk, while they are read."""
    extent = files.open(key)
    try:
        yield extent
    finally:
        if extent is not None:
            os.close(extent.fd)


def read_exactly(extent: Extent, begin: int, out: Bytes, where: str) -> None:
    """Fill `out` with the bytes from `begin` on; releases the GIL. Raises DataError where they end early."""
    view = out.data
    done = 0
    while done < len(view):
        count = os.preadv(extent.fd, [view[done:]], extent.offset + begin + done)
        if count == 0:
            found = f"an end after {begin + done:,} bytes"
            raise DataError("truncated chunk", where=where, found=found, wanted=f"{begin + len(view):,}")
        done += count
