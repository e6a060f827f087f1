"""A folder of objects that never has more bytes than its bound, shared by all processes of a machine.

What is in it is counted in one small file, the books, under a lock; room is taken before the first byte of an
object comes. What was not used for longest makes room; what is open never does, because an open file keeps
its bytes on the disk whatever its name. A file has its name when it is whole.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from flowload.errors import DataError
from flowload.files.drafts import FULL
from flowload.files.regular import translated

from .place import FOLDER
from .request import Wait

__all__ = ["DEFAULT", "NO_ROOM", "PART", "TURN", "Cache", "Full", "default_cache", "locked"]

DEFAULT = 32 << 30  #: bytes of a cache whose bound nobody has said
NO_ROOM = "not enough cache space"  #: reason of errors
PART = ".part"  #: ends the name of an object that is not whole yet
BOOKS = ".books"
LINE = 64  #: bytes of the books
SPARE = 16  #: where there are many small objects, one part in so many is freed at once: a look takes long
TURN = 0.05  #: seconds between looks at what another process does


def default_cache() -> str:
    """The folder in which a user's programs keep what they can get again."""
    return str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "flowload"))


@dataclass
class Books:
    """What a cache has."""

    total: int  #: bytes that are taken, those of objects under way included
    limit: int  #: bytes, at most


class Full(NamedTuple):
    """There is no room now."""

    error: DataError  #: for who does not wait
    coming: bool  #: an object is on its way, which can go when it is there


@dataclass(frozen=True)
class Cache:
    """The objects below a folder, which is made where there is none."""

    root: str

    @property
    def objects(self) -> Path:
        """The folder of them."""
        return Path(self.root, FOLDER)

    @contextmanager
    def books(self) -> Iterator[Books]:
        """The books, which nobody else has meanwhile; what is changed in them is written at the end.

        Raises DataError for a folder that cannot be written to.
        """
        with translated(self.root, "a folder to keep objects in"):
            self.objects.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.objects / BOOKS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                books = self.read(os.pread(fd, LINE, 0))
                try:
                    yield books
                finally:
                    os.pwrite(fd, json.dumps([books.total, books.limit]).encode().ljust(LINE), 0)
            finally:
                os.close(fd)

    def read(self, text: bytes) -> Books:
        """What is written in the books; where that is nothing, what there is."""
        try:
            total, limit = json.loads(text)
            return Books(int(total), int(limit))
        except ValueError:
            return Books(sum(size for _, size, _ in self.held()), DEFAULT)

    def bound(self, limit: int | None) -> int:
        """Bound it anew, for all who use it; None: leave that as it is. Returns its bound."""
        with self.books() as books:
            if limit is not None:
                books.limit = limit
                if books.total > limit:
                    self.free(books, 0)
            return books.limit

    def reserve(self, fd: int, size: int, url: str) -> Full | None:
        """Take room for an object, as an empty file of its size that others see; what is in the way, if any.

        Raises DataError where there never will be room.
        """
        with self.books() as books:
            if size > books.limit:
                raise self.no_room(url, size, f"a bound of {books.limit:,} bytes")
            coming = self.free(books, size) if books.total + size > books.limit else False
            if books.total + size > books.limit:
                found = f"{books.total:,} of {books.limit:,} bytes, all of them in use now"
                return Full(self.no_room(url, size, found), coming)
            books.total += size
            try:
                allocate(fd, size)
            except OSError as error:
                os.ftruncate(fd, 0)
                books.total -= size
                raise self.no_room(url, size, error.strerror or str(error)) from error
        return None

    def no_room(self, url: str, size: int, found: str) -> DataError:
        """The error for an object that does not fit."""
        wanted = f"room for {size:,} bytes: raise cache_bytes, or name another cache"
        return DataError(NO_ROOM, where=f"{url} in {self.root}", found=found, wanted=wanted)

    def give_up(self, part: str, size: int) -> None:
        """Let go of an object that did not become whole, and of its room."""
        with self.books() as books, suppress(FileNotFoundError):
            Path(part).unlink()
            books.total -= size

    def held(self) -> Iterator[tuple[int, int, str]]:
        """Of every object, and what is on its way: when it was used last, bytes, and path."""
        for folder, _, names in os.walk(self.objects):
            for name in names:
                if name == BOOKS and folder == str(self.objects):
                    continue
                with suppress(FileNotFoundError):
                    info = Path(folder, name).stat()
                    yield info.st_atime_ns, info.st_size, f"{folder}{os.sep}{name}"

    def free(self, books: Books, size: int) -> bool:
        """Make room for so many bytes, as far as it can be; the books are right again, whatever happened.

        Returns whether an object is on its way, which can go when it is there.
        """
        coming = False
        held = sorted(self.held())
        books.total = sum(nbytes for _, nbytes, _ in held)
        for _, nbytes, path in held:
            spare = books.limit // SPARE if nbytes * SPARE * 4 < books.limit else 0
            if books.total + size + spare <= books.limit:
                break
            if remove_unused(path):
                books.total -= nbytes
                with suppress(OSError):  # not empty
                    for folder in Path(path).parents:
                        if folder == self.objects:
                            break
                        folder.rmdir()
            elif nbytes and path.endswith(PART):
                coming = True
        return coming


def allocate(fd: int, size: int) -> None:
    """Give a file its size, and its room on the disk where the file system can. Raises OSError."""
    try:
        if size and sys.platform == "linux":
            os.posix_fallocate(fd, 0, size)
        else:
            os.ftruncate(fd, size)
    except OSError as error:
        if error.errno in FULL:
            raise
        os.ftruncate(fd, size)  # a file system that takes room when it is written to


def remove_unused(path: str) -> bool:
    """Remove a file that nobody has open by `locked` or `opening`; whether it could be."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Path(path).unlink()
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


@contextmanager
def locked(part: str, wait: Wait) -> Iterator[int]:
    """The descriptor of a file that one process at a time works at; made where there is none.

    It may be removed or renamed by whoever has it: who comes next then makes another.
    """
    fd = -1
    try:
        while fd < 0:
            with suppress(FileNotFoundError):  # its folder was empty, and has been removed
                Path(part).parent.mkdir(parents=True, exist_ok=True)
                fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
                if not try_lock(fd):
                    fd = closed(fd)
                    wait(TURN)
                elif not is_at(fd, part):
                    fd = closed(fd)
        yield fd
    finally:
        if fd >= 0:
            os.close(fd)


def is_at(fd: int, path: str) -> bool:
    """Whether a path still leads to an open file. Raises OSError."""
    try:
        return os.path.samestat(os.fstat(fd), Path(path).stat())
    except FileNotFoundError:
        return False


def closed(fd: int) -> int:
    """Close a descriptor; what stands for none."""
    os.close(fd)
    return -1


def try_lock(fd: int) -> bool:
    """Take the lock of a file, if nobody has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN):
            raise
        return False
    return True
