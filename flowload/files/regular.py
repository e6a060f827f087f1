"""Opening a file that is one: no pipe that waits for a writer, no device, no folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from flowload.errors import DataError, NoDataError

__all__ = ["kind_of", "open_regular", "opened", "refused", "translated"]

#: Constant words for what the operating system says, by number; anything else is "unreadable".
REASONS = {
    errno.ENOENT: "vanished",
    errno.ENOTDIR: "vanished",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "not a file",
    errno.ENXIO: "not a file",
    errno.ENAMETOOLONG: "name too long",
    errno.ELOOP: "links in a circle",
    errno.ESTALE: "vanished",
}

KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def open_regular(
    path: str | os.PathLike[str], wanted: str = "a file", missing: str | None = "no such file"
) -> int:
    """Open a regular file for reading, without waiting: its descriptor.

    Args:
        path: of the file; links are followed.
        wanted: what should be there, for messages.
        missing: see `translated`.

    Raises NoDataError where there is nothing, and DataError for a pipe, a device, a folder, a name that no
    file can have, and whatever else the operating system refuses.
    """
    name = os.fspath(path)
    with translated(name, wanted, missing):
        # Without waiting for the other end of a pipe, and without becoming the owner of a terminal.
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        raise DataError("not a file", where=shown(name), found=kind_of(mode), wanted=wanted)
    return fd


@contextmanager
def opened(
    path: str | os.PathLike[str], wanted: str = "a file", missing: str | None = "no such file"
) -> Iterator[int]:
    """The descriptor of a regular file, closed at the end; see `open_regular`."""
    fd = open_regular(path, wanted, missing)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def translated(
    path: str | os.PathLike[str], wanted: str = "a readable file", missing: str | None = "no such file"
) -> Iterator[None]:
    """Inside, what the operating system says about a path is raised as DataError.

    Args:
        path: for the message.
        wanted: what should be there.
        missing: the reason of the NoDataError where nothing is; None: a file was there, and has vanished.
    """
    try:
        yield
    except OSError as error:
        if missing is not None and isinstance(error, FileNotFoundError):
            raise NoDataError(missing, where=shown(os.fspath(path)), wanted=wanted) from error
        raise refused(error, os.fspath(path), wanted) from error
    except ValueError as error:
        if is_name(os.fspath(path)):
            raise
        raise DataError("bad name", where=shown(os.fspath(path)), found=str(error), wanted=wanted) from error


def refused(error: OSError, path: str, wanted: str = "a readable file") -> DataError:
    """What the operating system said about a file, with a constant word for counting."""
    reason = REASONS.get(error.errno or 0, "unreadable")
    return DataError(reason, where=shown(path), found=error.strerror or str(error), wanted=wanted)


def is_name(path: str) -> bool:
    """Whether a file could have this name: one with a NUL, or with what nothing encodes, could not."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeError:
        return False


def kind_of(mode: int) -> str:
    """What is no regular file, in words."""
    return next((word for asks, word in KINDS if asks(mode)), "something else")


def shown(path: str) -> str:
    """A path that can be printed: what is no character of any text, and NUL, as escapes."""
    return path.encode(errors="backslashreplace").decode().replace("\0", "\\0")
