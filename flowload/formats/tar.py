"""Walk the headers of an uncompressed tar: where each file's bytes lie, without reading them.

Understands v7, ustar (with prefixes), GNU (long names, base-256 sizes) and pax (path and size, of one member
and global), and tars that were joined end to end. A tar that ends without its two zero blocks is accepted,
as tar programs do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flowload.errors import DataError

from .tar_header import BLOCK, Header, kind_of_file, parse, pax_records, valid
from .window import Window

__all__ = ["Member", "members"]

TAIL = 8  #: last bytes of a member that are read with the header behind it
META_LIMIT = 1 << 20  #: bytes of a long name or of pax records; real ones have a few hundred
META = frozenset({b"L", b"x", b"X", b"g"})  #: a long name; pax records, of Solaris too, for one or for all
REGULAR = frozenset({b"0", b"\0", b"7"})
WITHOUT_DATA = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})  #: links, devices, folders, pipes


class Member(NamedTuple):
    """A regular file in a tar."""

    name: str  #: bytes that are no UTF-8 are shown as escapes
    offset: int  #: of its first byte in the tar
    size: int  #: in bytes
    tail: bytes  #: its last 8 bytes, or all if it has fewer


def members(fd: int, path: str) -> Iterator[Member]:
    """The regular files of a tar, in order; `path` is for messages.

    Raises DataError: "not a tar", "compressed tar", "bad tar header", "truncated tar", "sparse member".
    """
    return Walk(fd, path).run()


class Walk:
    """One pass over the headers of a tar."""

    def __init__(self, fd: int, path: str) -> None:
        self.window = Window(fd)
        self.path = path
        self.at = 0  #: where the block at hand begins
        self.common: dict[bytes, bytes] = {}  #: pax records for all members to come
        self.own: dict[bytes, bytes] = {}  #: for the next member

    def run(self) -> Iterator[Member]:
        """The members, in order."""
        while block := self.next_block():
            header = self.header(block)
            if header.kind in META:
                self.take_metadata(header)
                continue
            header = self.overridden(header)
            start, size = self.at + BLOCK, 0 if header.kind in WITHOUT_DATA else header.size
            self.check_end(header.name, start + size)
            if header.kind in REGULAR and not header.name.endswith(b"/"):
                count = min(TAIL, size)
                yield Member(shown(header.name), start, size, self.window.read(start + size - count, count))
            self.at = start + padded(size)

    def next_block(self) -> bytes:
        """The next block that is not all zeros; short or empty at the end of the file."""
        while True:
            block = self.window.read(self.at, BLOCK)
            if block[:1] != b"\0" or block.strip(b"\0"):
                return block
            self.at += BLOCK

    def header(self, block: bytes) -> Header:
        """What the block at hand says."""
        where = f"{self.path}, byte {self.at}"
        if len(block) == BLOCK and valid(block):
            return parse(block, where)
        if self.at == 0 and (kind := kind_of_file(block)):
            raise DataError("compressed tar", where=self.path, found=kind, wanted="an uncompressed tar")
        if len(block) < BLOCK:
            found, wanted = f"{len(block)} bytes", f"a header of {BLOCK}"
            raise DataError("truncated tar", where=where, found=found, wanted=wanted)
        reason = "bad tar header" if self.at else "not a tar"
        raise DataError(reason, where=where, found="a wrong checksum", wanted="a tar header")

    def take_metadata(self, header: Header) -> None:
        """Keep what a long name or a pax header says of members to come."""
        where = f"{self.path}, byte {self.at}"
        if header.size > META_LIMIT:
            found, wanted = f"{header.size} bytes of names", f"at most {META_LIMIT}"
            raise DataError("bad tar header", where=where, found=found, wanted=wanted)
        start = self.at + BLOCK
        self.check_end(header.name, start + header.size)
        data = self.window.read(start, header.size)
        if header.kind == b"L":
            self.own[b"path"] = data.split(b"\0", 1)[0]
        else:
            (self.common if header.kind == b"g" else self.own).update(pax_records(data, where))
        self.at = start + padded(header.size)

    def overridden(self, header: Header) -> Header:
        """The header with what went before it put in; used up by that."""
        if not self.own and not self.common and header.kind != b"S":
            return header
        said, self.own = self.common | self.own, {}
        name = said.get(b"path", header.name)
        if header.kind == b"S" or any(key.startswith(b"GNU.sparse.") for key in said):
            where = f"{self.path}, member {shown(name)!r}"
            raise DataError("sparse member", where=where, wanted="a member that is stored whole")
        digits = said.get(b"size", b"%d" % header.size)
        if not digits.isdigit():
            where = f"{self.path}, byte {self.at}"
            raise DataError("bad tar header", where=where, found=f"size {digits!r}", wanted="a number")
        return Header(name, header.kind, int(digits))

    def check_end(self, name: bytes, end: int) -> None:
        """Refuse what would lie behind the end of the file."""
        if end > self.window.size:
            where = f"{self.path}, member {shown(name)!r}"
            found = f"{self.window.size} bytes of file"
            raise DataError("truncated tar", where=where, found=found, wanted=f"{end}")


def padded(size: int) -> int:
    """A size in whole blocks, in bytes."""
    return -(-size // BLOCK) * BLOCK


def shown(name: bytes) -> str:
    """A name for messages."""
    return name.decode(errors="backslashreplace")
