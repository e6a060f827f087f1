"""One header block of a tar, and the records of a pax header.

Source: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from flowload.errors import DataError

__all__ = ["BLOCK", "Header", "kind_of_file", "parse", "pax_records", "text", "valid"]

BLOCK = 512
CHECKSUM = slice(148, 156)
SIGNATURES = {
    b"\x1f\x8b": "gzip data",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ\0": "xz data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"\x04\x22\x4d\x18": "lz4 data",
    b"PK\3\4": "a zip archive",
}


class Header(NamedTuple):
    """The fields of one header block."""

    name: bytes
    kind: bytes  #: one byte
    size: int  #: of the member's data, in bytes
    link: bytes = b""  #: what a link leads to


def parse(block: bytes, where: str) -> Header:
    """Read a block whose checksum is right; DataError "bad tar header"."""
    name = text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        name = text(block[345:500]) + b"/" + name
    return Header(name, block[156:157], number(block[124:136], where), text(block[157:257]))


def valid(block: bytes) -> bool:
    """Whether the checksum of a block is right: the sum of its bytes, which some old tars took as signed."""
    try:
        wanted = number(block[CHECKSUM], "")
    except DataError:
        return False
    own = block[CHECKSUM]
    unsigned = byte_sum(block[:256]) + byte_sum(block[256:]) - sum(own) + 8 * ord(" ")
    if unsigned == wanted:
        return True
    high = sum(byte > 127 for byte in block) - sum(byte > 127 for byte in own)
    return unsigned - 256 * high == wanted


def byte_sum(data: bytes) -> int:
    """The sum of up to 256 bytes: Adler-32 keeps it modulo 65521 and is ten times faster than `sum`."""
    return (zlib.adler32(data) & 0xFFFF) - 1


def number(field: bytes, where: str) -> int:
    """A number of a header, octal or in GNU's base 256."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = text(field).strip()
    if not digits:
        return 0
    try:
        return int(digits, 8) if digits.isdigit() else refuse(field, where)
    except ValueError:
        return refuse(field, where)


def refuse(field: bytes, where: str) -> int:
    """Give up on a number."""
    raise DataError("bad tar header", where=where, found=repr(field), wanted="a number")


def text(field: bytes) -> bytes:
    """What comes before the first NUL."""
    return field.split(b"\0", 1)[0]


def pax_records(data: bytes, where: str) -> dict[bytes, bytes]:
    """The records `length key=value` of a pax header; DataError "bad tar header"."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        digits = data[at : at + 20].split(b" ", 1)[0]
        length = int(digits) if digits.isdigit() else 0
        record = data[at + len(digits) + 1 : at + length - 1]
        key, equals, value = record.partition(b"=")
        if not equals or data[at + length - 1 : at + length] != b"\n":
            found = repr(data[at : at + 40])
            raise DataError("bad tar header", where=where, found=found, wanted="pax records")
        records[key] = value
        at += length
    return records


def kind_of_file(start: bytes) -> str:
    """What a file is that is no tar, from its first bytes; empty: unknown."""
    return next((kind for mark, kind in SIGNATURES.items() if start.startswith(mark)), "")
