"""What is written appears under its name when all of it is on disk; until then it is a draft beside it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flowload.errors import DataError

__all__ = ["FULL", "naming", "new_folder", "sync_folder", "sync_tree", "write_all"]

#: What a system says that has no room left: on the disk, of the user's share, for a file of this size.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Around writes to a file: "no space left on device" says which file it was, too.

    What else is raised inside, such as by somebody's iterable, is not of this file.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in (*FULL, errno.EIO):
            error.filename = str(path)
        raise


def write_all(fd: int, data: bytes | memoryview, at: int | None = None) -> None:
    """Write bytes, all of them: to a place in a file, or where it is (None)."""
    view = memoryview(data)
    while view:
        written = os.write(fd, view) if at is None else os.pwrite(fd, view, at)
        view, at = view[written:], None if at is None else at + written


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder: new ones, and those that are gone."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that does so by itself
            raise
    finally:
        os.close(fd)


def sync_tree(folder: Path) -> None:
    """Wait until the disk has all that is in a folder: files first, then the folders that name them."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(root, name)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                with naming(path):  # where writing was put off, this is where a full disk shows
                    os.fsync(fd)
            finally:
                os.close(fd)
        sync_folder(Path(root))


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A draft that becomes the folder `out` when the block ends well; all of it is on disk before.

    When the block does not end well, the draft is gone, and so are folders above it that were made for it.

    Raises DataError where something of that name is there already: nothing is ever overwritten; OSError that
    names its file.
    """
    if os.path.lexists(out):
        raise DataError("already there", where=str(out), wanted="the name of a new folder")
    draft = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    made = [above for above in draft.parents if not above.exists()]
    try:
        draft.mkdir(parents=True)
        yield draft
        sync_tree(draft)
        if os.path.lexists(out):  # somebody else's, meanwhile
            raise DataError("already there", where=str(out), wanted="the name of a new folder")
        draft.rename(out)
        for folder in {out.parent, *(above.parent for above in made)}:
            sync_folder(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # there is none any more where all went well
        for above in made:
            with suppress(OSError):  # not empty: it holds what was made
                above.rmdir()
