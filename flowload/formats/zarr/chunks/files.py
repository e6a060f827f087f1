"""Where the chunks of a local zarr array lie: files of a folder, or members of a zip."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from flowload.abc.operators import Bytes
from flowload.errors import DataError
from flowload.files.regular import kind_of

__all__ = ["ChunkFiles", "Extent", "Folder", "ZipMembers", "check_file", "opened", "read_exactly"]

#: Of a zip member's local header: its size, and where the lengths of name and extra field stand.
LOCAL, LENGTHS = 30, 26
ENCRYPTED, UTF_8 = 1, 0x800  #: flags of a zip member

#: A pipe in the place of a chunk would be waited for; NONBLOCK opens it at once, and then it is refused.
MOST_SEEN = 1 << 17  #: chunks that are known again: 20 MB
READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class Extent(NamedTuple):
    """The bytes of a chunk in an open file, or, where they came from a store, in memory."""

    fd: int  #: -1: there is none
    offset: int
    size: int
    state: tuple[int, ...] = ()  #: of the file: another one has another
    data: bytes = b""  #: those that were asked for, where there is no file


class ChunkFiles(Protocol):
    """Finds the bytes of chunks. Opened for each use, so that no descriptor outlives a call."""

    def open(self, key: str) -> Extent | None:
        """The bytes of a chunk; None where there is none. The caller closes the file. Raises OSError."""

    def size(self, key: str) -> int | None:
        """Bytes of a chunk; None where there is none. Raises OSError for what is no file."""

    def names(self) -> Iterator[str]:
        """Whatever lies there, in any order, found while it is asked for."""


class Folder:
    """Chunk files of an array whose chunks, or shards, are files of a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: dict[str, int] = {}  #: hashes of states

    def open(self, key: str) -> Extent | None:
        """See `ChunkFiles`. Raises DataError for a chunk that is not what it was when it was opened first."""
        try:
            fd = os.open(f"{self.path}/{key}", READ)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            found = os.fstat(fd)
            check_file(found)
        except OSError:
            os.close(fd)
            raise
        state = state_of(found)
        if self.differs(key, state):
            os.close(fd)
            found_now, wanted = f"{found.st_size:,} bytes, written since", "what was read before"
            raise DataError("file changed", where=f"{self.path}/{key}", found=found_now, wanted=wanted)
        return Extent(fd, 0, found.st_size, state)

    def differs(self, key: str, state: tuple[int, ...]) -> bool:
        """Whether a chunk is another than before; of very many, as far as there is room to remember them."""
        if len(self.seen) >= MOST_SEEN:
            return self.seen.get(key, hash(state)) != hash(state)
        return self.seen.setdefault(key, hash(state)) != hash(state)

    def size(self, key: str) -> int | None:
        """See `ChunkFiles`."""
        try:
            found = os.stat(f"{self.path}/{key}")  # noqa: PTH116 - a Path costs five times as much
        except (FileNotFoundError, NotADirectoryError):
            return None
        check_file(found)
        return found.st_size

    def names(self) -> Iterator[str]:
        """See `ChunkFiles`."""
        waiting = [""]
        while waiting:
            inner = waiting.pop()
            with os.scandir(self.path / inner) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{inner}{entry.name}/")
                    else:
                        yield f"{inner}{entry.name}"


class ZipMembers:
    """Chunks of an array in a zip; they can be opened where `stored` says that they lie there as they are.

    Args:
        path: of the zip.
        inner: the array's path inside.
    """

    def __init__(self, path: Path, inner: str) -> None:
        self.path = path
        prefix = f"{inner}/" if inner else ""
        with zipfile.ZipFile(path) as file:
            self.state = state_of(path.stat())
            found = [info for info in file.infolist() if info.filename.startswith(prefix)]
        #: the last of those that have one name is meant, as for every reader of zips
        self.members = {info.filename[len(prefix) :]: info for info in found}
        times = Counter(info.filename for info in found)
        self.repeated = [name for name, count in times.items() if count > 1]
        self.stored = all(
            info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & ENCRYPTED for info in found
        )

    def open(self, key: str) -> Extent | None:
        """See `ChunkFiles`."""
        if key not in self.members:
            return None
        info = self.members[key]
        fd = os.open(self.path, READ)
        try:
            return Extent(fd, self.offset(fd, info), info.compress_size, self.state)
        except BaseException:
            os.close(fd)
            raise

    def offset(self, fd: int, info: zipfile.ZipInfo) -> int:
        """Where the bytes of a member begin. Raises DataError where its header is not there."""
        where = f"{self.path}: {info.filename}"
        if state_of(os.fstat(fd)) != self.state:
            raise DataError("file changed", where=where, found="another zip than was opened")
        name = info.orig_filename.encode("utf-8" if info.flag_bits & UTF_8 else "cp437")
        head = os.pread(fd, LOCAL + len(name), info.header_offset)
        if len(head) < LOCAL or head[:4] != b"PK\x03\x04" or head[LOCAL:] != name:
            found = repr(head[:4]) if head[:4] != b"PK\x03\x04" else f"that of {head[LOCAL:]!r}"
            raise DataError("bad zip", where=where, found=found, wanted="its header")
        lengths = struct.unpack_from("<HH", head, LENGTHS)
        return int(info.header_offset + LOCAL + sum(lengths))

    def size(self, key: str) -> int | None:
        """See `ChunkFiles`."""
        info = self.members.get(key)
        return None if info is None else info.file_size

    def names(self) -> Iterator[str]:
        """See `ChunkFiles`."""
        return (key for key in self.members if key and not key.endswith("/"))


def check_file(found: os.stat_result) -> None:
    """Raise OSError for a folder, a pipe or a device."""
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{kind_of(found.st_mode)}, which is no file")


def state_of(found: os.stat_result) -> tuple[int, ...]:
    """What differs when a file is replaced or written."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def opened(extent: Extent | None) -> Iterator[Extent | None]:
    """The bytes of a chunk, while they are read."""
    try:
        yield extent
    finally:
        if extent is not None and extent.fd >= 0:
            os.close(extent.fd)


def read_exactly(extent: Extent, begin: int, out: Bytes, where: str) -> None:
    """Fill `out` with the bytes from `begin` on; releases the GIL. Raises DataError where they end early."""
    view = out.data
    done = 0
    if extent.fd < 0:
        part = memoryview(extent.data)[extent.offset + begin :][: len(view)]
        view[: len(part)] = part
        done = len(part)
    while done < len(view):
        count = 0 if extent.fd < 0 else os.preadv(extent.fd, [view[done:]], extent.offset + begin + done)
        if count == 0:
            found = f"an end after {begin + done:,} bytes"
            raise DataError("truncated chunk", where=where, found=found, wanted=f"{begin + len(view):,}")
        done += count
