from __future__ import annotations

import tarfile
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import DataError
from flowload.formats.containers.tar_header import byte_sum, kind_of_file, number, parse, pax_records, valid


def block(name: str = "a", size: int = 0, kind: Literal[0, 1, 2] = tarfile.USTAR_FORMAT) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(kind)


@given(st.binary(max_size=256))
def test_byte_sum_is_the_sum(data: bytes) -> None:
    assert byte_sum(data) == sum(data)


@given(st.text("abc/é", min_size=1, max_size=90), st.integers(0, 8**11 - 1))
def test_headers_of_tarfile(name: str, size: int) -> None:
    header = block(name, size, tarfile.GNU_FORMAT)
    assert valid(header)
    assert parse(header, "here") == (name.encode(), b"0", size, b"")


def test_prefix_of_ustar_only() -> None:
    name = "folder/" * 20 + "game.gz"
    header = block(name)
    assert parse(header, "here").name == name.encode()
    gnu = bytearray(block("game.gz", kind=tarfile.GNU_FORMAT))
    gnu[345:350] = b"12345"  # GNU tar keeps times there
    assert parse(bytes(gnu), "here").name == b"game.gz"


@given(st.integers(0, 511), st.integers(1, 255))
def test_any_changed_byte_breaks_the_checksum(at: int, change: int) -> None:
    header = bytearray(block("some/name.gz", 12345))
    header[at] = (header[at] + change) % 256
    in_checksum = 148 <= at < 156
    assert not valid(bytes(header)) or in_checksum  # there, a digit may have become a space or a NUL


def test_checksum_of_signed_bytes() -> None:
    header = bytearray(block("a", kind=tarfile.GNU_FORMAT))
    header[:3] = "é".encode() + b"a"
    spaces = bytes(header[:148]) + b" " * 8 + bytes(header[156:])
    signed = sum(byte - 256 if byte > 127 else byte for byte in spaces)
    header[148:156] = b"%06o\0 " % signed
    assert valid(bytes(header))


@pytest.mark.parametrize(("field", "wanted"), [
    (b"00000000017\0", 15), (b"         17 ", 15), (b"\0" * 12, 0), (b" " * 12, 0), (b"17\0garbage..", 15),
    (b"\x80" + bytes(9) + b"\1\0", 256), (b"\x80" + b"\xff" * 11, 2**88 - 1),
])  # fmt: skip
def test_numbers(field: bytes, wanted: int) -> None:
    assert number(field, "here") == wanted


@pytest.mark.parametrize(
    "field", [b"0000000008\0", b"0o17\0", b"1_7\0", b"+17\0", b"-17\0", b"\xff" * 12, b"abc"]
)
def test_what_is_no_number(field: bytes) -> None:
    with pytest.raises(DataError, match=r"here: bad tar header; found .*; wanted a number"):
        number(field, "here")


@given(st.dictionaries(st.text("ab.c", min_size=1), st.text("xyzé =\n")))
def test_pax_records_of_tarfile(records: dict[str, str]) -> None:
    data = tarfile.TarInfo.create_pax_global_header(records)[512:] if records else b""
    length = sum(map(len, written(records)))
    assert pax_records(data[:length], "here") == {k.encode(): v.encode() for k, v in records.items()}


def written(records: dict[str, str]) -> list[bytes]:
    lines = []
    for key, value in records.items():
        rest = b" %s=%s\n" % (key.encode(), value.encode())
        length = len(rest)
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        lines.append(str(length).encode() + rest)
    return lines


@pytest.mark.parametrize(
    "data", [b"garbage", b"12 path=abc", b"99 path=abc\n", b"0 a=b\n", b"5 abc\n", b"-9 a=bcd\n", b"\0"]
)
def test_what_are_no_pax_records(data: bytes) -> None:
    with pytest.raises(DataError, match="here: bad tar header"):
        pax_records(data, "here")


def test_kinds_of_files() -> None:
    assert kind_of_file(b"\x1f\x8b\x08") == "gzip data"
    assert kind_of_file(b"PK\3\4") == "a zip archive"
    assert kind_of_file(b"") == kind_of_file(block()) == ""
