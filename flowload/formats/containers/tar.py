"""Walk the headers of an uncompressed tar: where each file's bytes lie, without reading them.

Understands v7, ustar (with prefixes), GNU (long names, base-256 sizes) and pax (path, linkpath and size, of
one member and global), and tars that were joined end to end. A tar that ends without its two zero blocks is
accepted, as tar programs do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flowload.errors import DataError

from .buffered import Range
from .tar_header import BLOCK, Header, kind_of_file, parse, pax_records, text, valid

__all__ = ["HARD", "SOFT", "Member", "members"]

TAIL = 8  #: last bytes of a member that are read with the header behind it
META_LIMIT = 1 << 20  #: bytes of a long name or of pax records; real ones have a few hundred
NAME_LIMIT = 1 << 15  #: bytes of a name; systems know no path of more than 4,096
DIGITS = 20  #: of a size, at most
META = frozenset(
    {b"L", b"K", b"x", b"X", b"g"}
)  #: a long name or link; pax records, of Solaris too, or global
LONG = {b"L": b"path", b"K": b"linkpath"}  #: what those of GNU are to pax
MEANT = frozenset({b"path", b"linkpath", b"size"})  #: pax records that are kept
REGULAR = frozenset({b"0", b"\0", b"7"})
HARD, SOFT = b"1", b"2"  #: kinds of links
SPARSE = b"GNU.sparse."  #: how the names of pax records begin that describe holes
WITHOUT_DATA = frozenset({HARD, SOFT, b"3", b"4", b"5", b"6"})  #: links, devices, folders, pipes
SKIPPED = frozenset({b"5", b"D", b"V"})  #: folders, GNU's list of what is in one, and the tar's own label


class Member(NamedTuple):
    """What a tar holds: a regular file, a link, or anything else but a folder."""

    name: str  #: bytes that are no UTF-8 are shown as escapes
    offset: int  #: of its first byte in the tar
    size: int  #: in bytes
    tail: bytes  #: its last 8 bytes, or all if it has fewer
    kind: bytes = b"0"  #: of a regular file b"0", else as the tar says
    link: str = ""  #: what a link leads to


def members(file: Range, path: str) -> Iterator[Member]:
    """The members of a tar, in order, but for folders; `path` is for messages.

    Raises DataError: "not a tar", "compressed tar", "bad tar header", "truncated tar", "sparse member".
    """
    return Walk(file, path).run()


class Walk:
    """One pass over the headers of a tar, from its first byte to its end."""

    def __init__(self, file: Range, path: str) -> None:
        self.window = file
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
            start, kind = self.at + BLOCK, self.kind_of(header)
            size = 0 if kind in WITHOUT_DATA else header.size
            self.check_end(header.name, start + size)
            if kind not in SKIPPED:
                count = min(TAIL, size)
                tail = self.window.read(start + size - count, count)
                yield Member(shown(header.name), start, size, tail, kind, shown(header.link))
            self.at = start + padded(size)

    def kind_of(self, header: Header) -> bytes:
        """What a member is; a hard link that brings its data along, as pax allows, is a file."""
        if header.kind in REGULAR:
            return b"5" if header.name.endswith(b"/") else b"0"
        if header.kind != HARD or not header.size:
            return header.kind
        block = self.window.read(self.at + BLOCK, BLOCK)  # a header, or the tar's end, unless it is data
        return HARD if len(block) < BLOCK or not block.strip(b"\0") or valid(block) else b"0"

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
        if header.kind in LONG:
            self.own[LONG[header.kind]] = text(data)
        else:
            records = pax_records(data, where)
            kept = {key: value for key, value in records.items() if key in MEANT or key.startswith(SPARSE)}
            (self.common if header.kind == b"g" else self.own).update(kept)
        self.at = start + padded(header.size)

    def overridden(self, header: Header) -> Header:
        """The header with what went before it put in; used up by that."""
        if not self.own and not self.common and header.kind != b"S":
            return header
        said, self.own = self.common | self.own, {}
        name, link = said.get(b"path", header.name), said.get(b"linkpath", header.link)
        self.check_length(max(name, link, key=len))
        if header.kind == b"S" or any(key.startswith(SPARSE) for key in said):
            where = f"{self.path}, member {shown(name)!r}"
            raise DataError("sparse member", where=where, wanted="a member that is stored whole")
        digits = said.get(b"size", b"%d" % header.size)
        if not digits.isdigit() or len(digits) > DIGITS:
            where, found = f"{self.path}, byte {self.at}", f"size {digits[:40]!r}"
            raise DataError("bad tar header", where=where, found=found, wanted=f"up to {DIGITS} digits")
        return Header(name, header.kind, int(digits), link)

    def check_length(self, name: bytes) -> None:
        """Refuse names that would cost memory."""
        if len(name) > NAME_LIMIT:
            where, found = f"{self.path}, byte {self.at}", f"a name of {len(name)} bytes"
            raise DataError("bad tar header", where=where, found=found, wanted=f"at most {NAME_LIMIT}")

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
