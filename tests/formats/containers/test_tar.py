"""Walks over tars; Python's own tarfile is the oracle."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowload.errors import DataError
from flowload.formats.containers.buffered import Window
from flowload.formats.containers.tar import Member, Walk, members

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
OTHERS = [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]

MakeTar = Callable[..., Path]


def walk(path: Path) -> list[Member]:
    fd = os.open(path, os.O_RDONLY)
    try:
        return list(members(Window(fd), str(path)))
    finally:
        os.close(fd)


def oracle(path: Path) -> list[Member]:
    """What Python's tarfile finds."""
    data = path.read_bytes()
    found = []
    with tarfile.open(path, "r:") as tar:
        for info in tar:
            end = info.offset_data + (info.size if info.isreg() else 0)
            tail = data[max(info.offset_data, end - 8) : end]
            if info.isreg():
                found.append(Member(info.name, info.offset_data, info.size, tail))
            elif not info.isdir():
                link = info.linkname if info.issym() or info.islnk() else ""
                found.append(Member(info.name, info.offset_data, 0, tail, info.type, link))
    return found


def fails(path: Path, reason: str, **parts: str) -> DataError:
    with pytest.raises(DataError) as caught:
        walk(path)
    assert caught.value.reason == reason
    assert str(path) in caught.value.where
    for name, text in parts.items():
        assert text in getattr(caught.value, name)
    return caught.value


def with_header(path: Path, at: int, change: Callable[[bytearray], None]) -> None:
    """Change a header and put its checksum right."""
    data = bytearray(path.read_bytes())
    header = data[at : at + 512]
    change(header)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data[at : at + 512] = header
    path.write_bytes(data)


NAMES = st.one_of(
    st.text("ab.é", min_size=1, max_size=12),
    st.integers(90, 300).map(lambda n: "long/" * (n // 5) + "game.gz"),
    st.integers(90, 150).map(lambda n: "x" * n),
)


@pytest.mark.parametrize("kind", FORMATS)
@given(
    names=st.lists(NAMES, max_size=6),
    sizes=st.lists(st.integers(0, 1500), min_size=6, max_size=6),
    other=st.integers(0, 5),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_members_are_those_of_tarfile(
    kind: int, names: list[str], sizes: list[int], other: int, tmp_path: Path
) -> None:
    path = tmp_path / "data.tar"
    with tarfile.open(path, "w", format=kind) as tar:
        for number, (name, size) in enumerate(zip(names, sizes, strict=False)):
            info = tarfile.TarInfo(name)
            info.size = size
            info.mtime = 1.5 if kind == tarfile.PAX_FORMAT else 1  # a pax header for every member
            if number == other:
                info.type, info.linkname, info.size = OTHERS[size % len(OTHERS)], "x" * size, 0
                info.linkname *= info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE)
            try:
                tar.addfile(info, io.BytesIO(os.urandom(size)))
            except ValueError:
                continue  # a name or link that this format cannot hold
    assert walk(path) == oracle(path)


def test_members_of_real_tars(shared_lc0: Path) -> None:
    for path in sorted(shared_lc0.rglob("*.tar")):
        assert walk(path) == oracle(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_data_of_many_sizes_lie_where_tarfile_says(kind: int, make_tar: MakeTar) -> None:
    sizes = [0, 1, 7, 8, 9, 511, 512, 513, 5000, 70_000, 3]
    path = make_tar(
        {f"{'n' * size}"[:200] + f"{size}": os.urandom(size) for size in sizes if size < 200 or kind},
        kind=kind,
    )
    assert walk(path) == oracle(path)


def test_version_7_headers(make_tar: MakeTar) -> None:
    path = make_tar({"a": b"12345", "folder/": b""})
    for at in (0, 1024):
        with_header(path, at, lambda header: header.__setitem__(slice(257, 512), bytes(255)))
        with_header(path, at, lambda header: header.__setitem__(156, 0))
    assert [member.name for member in walk(path)] == ["a"]


def test_global_pax_headers_hold_for_all_until_overridden(tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers={"path": "everywhere"}) as tar:
        for name in ("a", "é" * 80):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert [member.name for member in walk(path)] == ["everywhere", "é" * 80]


def test_pax_size_overrides_the_header(tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"size": "700"}
        info.size = 700
        tar.addfile(info, io.BytesIO(b"x" * 700))
        tar.addfile(tarfile.TarInfo("b"))
    with_header(path, 1024, lambda header: header.__setitem__(slice(124, 136), b"00000000000\0"))
    assert [(member.name, member.size) for member in walk(path)] == [("a", 700), ("b", 0)]


def test_tars_that_were_joined(make_tar: MakeTar) -> None:
    first, second = make_tar({"a": b"1"}, "a.tar"), make_tar({"b": b"2"}, "b.tar")
    joined = first.with_name("joined.tar")
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    assert [member.name for member in walk(joined)] == ["a", "b"]


@pytest.mark.parametrize("zeros", [0, 1, 512, 700, 100_000])
def test_any_number_of_zeros_may_end_a_tar(zeros: int, make_tar: MakeTar) -> None:
    path = make_tar({"a": b"1"})
    path.write_bytes(path.read_bytes()[:1024] + bytes(zeros))
    assert [member.name for member in walk(path)] == ["a"]


@pytest.mark.parametrize("data", [b"", bytes(512), bytes(10_240)])
def test_a_tar_of_nothing(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    path.write_bytes(data)
    assert walk(path) == []


@pytest.mark.parametrize("cut", [513, 600, 1000, 512 + 699])
def test_a_tar_cut_in_its_data(cut: int, make_tar: MakeTar) -> None:
    path = make_tar({"game.gz": b"x" * 700})
    os.truncate(path, cut)
    fails(path, "truncated tar", where="'game.gz'", found=str(cut), wanted="1212")


@pytest.mark.parametrize("cut", [1025, 1500])
def test_a_tar_cut_in_a_header(cut: int, make_tar: MakeTar) -> None:
    path = make_tar({"a": b"x", "b": b"y"})
    os.truncate(path, cut)
    fails(path, "truncated tar", where="byte 1024", found=str(cut - 1024), wanted="512")


@pytest.mark.parametrize("size", [10**9, 8**11 - 1, 2**63, 2**88 - 1])
def test_a_huge_declared_size(size: int, make_tar: MakeTar) -> None:
    path = make_tar({"game.gz": b"x"})
    field = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    with_header(path, 0, lambda header: header.__setitem__(slice(124, 136), field))
    fails(path, "truncated tar", where="'game.gz'", found="10240", wanted=str(size + 512))


@pytest.mark.parametrize("type_", [b"L", b"x", b"g"])
def test_a_huge_declared_name(type_: bytes, make_tar: MakeTar) -> None:
    path = make_tar({"game.gz": b"x"})
    with_header(path, 0, lambda header: header.__setitem__(slice(124, 136), b"77777777777\0"))
    with_header(path, 0, lambda header: header.__setitem__(156, type_[0]))
    fails(path, "bad tar header", where="byte 0", found=str(8**11 - 1))


@pytest.mark.parametrize("type_", [b"L", b"x"])
def test_a_name_cut_short(type_: bytes, make_tar: MakeTar) -> None:
    path = make_tar({"game.gz": b"x"})
    with_header(path, 0, lambda header: header.__setitem__(slice(124, 136), b"00001000000\0"))
    with_header(path, 0, lambda header: header.__setitem__(156, type_[0]))
    fails(path, "truncated tar")


def test_a_broken_header(make_tar: MakeTar) -> None:
    path = make_tar({"a": b"x", "b": b"y"})
    data = bytearray(path.read_bytes())
    data[1030] ^= 1
    path.write_bytes(data)
    fails(path, "bad tar header", where="byte 1024")


def test_a_size_that_is_no_number(make_tar: MakeTar) -> None:
    path = make_tar({"a": b"x"})
    with_header(path, 0, lambda header: header.__setitem__(slice(124, 136), b"no number..\0"))
    fails(path, "bad tar header", found="no number")


def test_a_pax_size_that_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"size": "-1"}
        tar.addfile(info)
    fails(path, "bad tar header", found="-1")


@pytest.mark.parametrize("size", ["9" * 5000, "9" * 21, "1_0", " 5", "0x10", "\u0665", ""])
def test_hostile_pax_sizes(size: str, tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"size": size}
        tar.addfile(info)
    error = fails(path, "bad tar header", found="size b", wanted="up to 20 digits")
    assert len(str(error)) < 300


@pytest.mark.parametrize("keyword", ["path", "linkpath"])
def test_a_name_longer_than_any_is_refused(keyword: str, tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    for length in (1 << 15, (1 << 15) + 1):
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("a")
            info.pax_headers = {keyword: "n" * length}
            tar.addfile(info)
        if length == 1 << 15:
            assert len(walk(path)) == 1
        else:
            fails(path, "bad tar header", found=f"a name of {length} bytes")


def test_what_pax_headers_say_besides_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    headers = {f"comment{k}": "x" * 1000 for k in range(50)}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers=headers) as tar:
        tar.addfile(tarfile.TarInfo("a"))
    with path.open("rb") as file:
        walked = Walk(Window(file.fileno()), str(path))
        assert [member.name for member in walked.run()] == ["a"]
    assert not walked.common


def test_long_links_of_gnu_tar_and_pax(tmp_path: Path) -> None:
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = tmp_path / f"{kind}.tar"
        with tarfile.open(path, "w", format=kind) as tar:
            for type_ in (tarfile.LNKTYPE, tarfile.SYMTYPE):
                info = tarfile.TarInfo("n" * 150)
                info.type, info.linkname = type_, "long/" * 50 + "game.gz"
                tar.addfile(info)
        assert walk(path) == oracle(path)
        assert [member.link for member in walk(path)] == ["long/" * 50 + "game.gz"] * 2


@pytest.mark.parametrize("behind", ["header", "end", "nothing", "data"])
def test_a_hard_link_that_has_a_size_has_data_only_where_some_follow(behind: str, make_tar: MakeTar) -> None:
    path = make_tar({"a": b"", "b": b"later" if behind == "header" else b""})
    with_header(path, 0, lambda header: header.__setitem__(156, ord("1")))
    with_header(path, 0, lambda header: header.__setitem__(slice(124, 136), b"00000000007\0"))
    head = path.read_bytes()[:512]
    if behind == "data":
        path.write_bytes(head + b"x" * 7 + bytes(505 + 1024))
        assert walk(path) == [Member("a", 512, 7, b"x" * 7)]
        return
    if behind != "header":
        path.write_bytes(head + bytes(1024) * (behind == "end"))
    names = ["a", "b"] if behind == "header" else ["a"]
    assert [(member.name, member.kind) for member in walk(path)] == list(
        zip(names, [b"1", b"0"], strict=False)
    )


@pytest.mark.parametrize(("kind", "found"), [(b"V", []), (b"D", []), (b"M", [b"M"]), (b"A", [b"A"])])
def test_other_kinds_of_members(kind: bytes, found: list[bytes], make_tar: MakeTar) -> None:
    path = make_tar({"x": b"12345"})
    with_header(path, 0, lambda header: header.__setitem__(156, kind[0]))
    assert [member.kind for member in walk(path)] == found


def test_a_sparse_member(make_tar: MakeTar, tmp_path: Path) -> None:
    path = make_tar({"game.gz": b"x"})
    with_header(path, 0, lambda header: header.__setitem__(156, ord("S")))
    fails(path, "sparse member", where="'game.gz'")
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("game.gz")
        info.pax_headers = {"GNU.sparse.major": "1"}
        tar.addfile(info)
    fails(path, "sparse member", where="'game.gz'")


@pytest.mark.parametrize(
    ("pack", "kind"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")]
)
def test_a_compressed_tar(pack: Callable[[bytes], bytes], kind: str, make_tar: MakeTar) -> None:
    path = make_tar({"a": b"x"})
    path.write_bytes(pack(path.read_bytes()))
    fails(path, "compressed tar", found=kind, wanted="uncompressed")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    path.write_bytes(b"This is no tar. " * 100)
    fails(path, "not a tar")


def test_a_member_named_like_an_archive(make_tar: MakeTar) -> None:
    assert [member.name for member in walk(make_tar({"BZh91AY.gz": b"x"}))] == ["BZh91AY.gz"]
