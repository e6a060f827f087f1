"""Many small texts, one after the other: the files of a folder, the members of a tar, or one file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from flowload.errors import DataError, NoDataError
from flowload.files.foreign import foreign
from flowload.files.regular import opened

__all__ = ["Text", "texts_in"]

ENDING = ".xyz"
LARGEST = 1 << 20  #: bytes of a text: those of QM9 have a few thousand
PIECE = 1 << 20
LARGEST_FILE = 1 << 32  #: and of one file that holds all molecules: QM9 has 0.4 GB


class Text(NamedTuple):
    """A text, where it is from, and how much of the source was read with it."""

    where: str
    data: bytes
    done: int
    of: int


class Marked(tarfile.TarInfo):
    """A member, whose tar remembers whether its end was reached: a tar that is cut off just ends."""

    @classmethod
    def fromtarfile(cls, tar: Any) -> Any:
        """The next one; see there."""
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            tar.whole = type(error).__name__ == "EOFHeaderError"  # a name that no stub has
            raise


def texts_in(path: Path) -> Iterator[Text]:
    """The texts of a folder, a tar or a file, in the order of their names, or in that of the tar.

    Raises DataError that names file and member, and NoDataError where there is none.
    """
    if path.is_dir():
        yield from folder_texts(path)
    elif path.suffix == ENDING:
        yield whole(path, LARGEST_FILE, 1, 1)
    else:
        yield from tar_texts(path)


def folder_texts(path: Path) -> Iterator[Text]:
    """The files of a folder."""
    found = sorted(each for each in path.iterdir() if each.suffix == ENDING and each.name[0] != ".")
    if not found:
        raise NoDataError("no file", where=str(path), found="none", wanted=f"files *{ENDING}")
    for number, each in enumerate(found):
        yield whole(each, LARGEST, number + 1, len(found))


def whole(path: Path, largest: int, done: int, of: int) -> Text:
    """All of a file. Raises DataError for one that is too large."""
    with opened(path) as fd, open(fd, "rb", closefd=False) as file, foreign("unreadable", str(path)):
        size = os.fstat(fd).st_size
        if size > largest:
            found, wanted = f"{size:,} bytes", f"at most {largest:,}"
            raise DataError("file too large", where=str(path), found=found, wanted=wanted)
        data = file.read(size)  # room is made for all that is asked for
    return Text(str(path), data, done, of)


def tar_texts(path: Path) -> Iterator[Text]:
    """The members of a tar, read from its beginning to its end, whatever it is compressed by."""
    with opened(path) as fd, open(fd, "rb", closefd=False) as file, ExitStack() as stack:
        size = file.seek(0, 2)
        file.seek(0)
        with foreign("bad tar", str(path)):
            plain = stack.enter_context(inflated(file))
            tar = stack.enter_context(tarfile.open(fileobj=plain, mode="r|", tarinfo=Marked))
        some = False
        for member in members(tar, path):
            if member.isfile() and member.name.endswith(ENDING):
                some = True
                yield Text(f"{path}, {member.name}", inside(tar, member, path), file.tell(), size)
        with foreign("bad tar", str(path)):
            while plain.read(PIECE):  # the checksum, where there is one, is behind the last byte
                pass
        if not getattr(tar, "whole", False):
            found, wanted = "no end of the archive", "two blocks of zeros behind the last member"
            raise DataError("file ends early", where=str(path), found=found, wanted=wanted)
        if not some:
            raise NoDataError("no member", where=str(path), found="none", wanted=f"members *{ENDING}")


def inflated(file: IO[bytes]) -> IO[bytes]:
    """What a file holds, by its first bytes: `tarfile` would inflate it itself, and not look at checksums."""
    magic = file.read(6)
    file.seek(0)
    for begin, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ\0", lzma)):
        if magic.startswith(begin):
            return cast("IO[bytes]", module.open(file, "rb"))
    return file


def members(tar: Any, path: Path) -> Iterator[tarfile.TarInfo]:
    """One after the other; none is kept. Raises DataError."""
    while True:
        with foreign("bad tar", str(path)):
            member = tar.next()
            tar.members = []  # it would keep all of them
        if member is None:
            return
        yield member


def inside(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bytes:
    """The bytes of a member. Raises DataError."""
    where = f"{path}, {member.name}"
    if member.size > LARGEST:
        found, wanted = f"{member.size:,} bytes", f"at most {LARGEST:,}"
        raise DataError("file too large", where=where, found=found, wanted=wanted)
    with foreign("bad tar", where):
        file = tar.extractfile(member)
        data = b"" if file is None else file.read()
    if len(data) != member.size:
        raise DataError(
            "file ends early", where=where, found=f"{len(data)} bytes", wanted=f"{member.size} bytes"
        )
    return data
