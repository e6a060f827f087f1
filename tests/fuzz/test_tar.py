"""Tars and their index: headers, names, pax records, links."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from flowload.formats.lc0.format import FORMAT
from tests.fuzz.inputs.mutate import mutants, survives

Write = Callable[[tarfile.TarFile], None]


def put(tar: tarfile.TarFile, name: str, data: bytes = b"", **more: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


def valid(kind: int) -> bytes:
    """A tar with something of everything."""
    file = io.BytesIO()
    headers = {"comment": "a global one"} if kind == tarfile.PAX_FORMAT else None
    with tarfile.open(fileobj=file, mode="w", format=kind, pax_headers=headers) as tar:
        put(tar, "run/0.gz", b"x" * 700)
        put(tar, "run/" + "long/" * (40 if kind else 20) + "1.gz", b"y" * 20)
        put(tar, "run/2.gz", type=tarfile.LNKTYPE, linkname="run/0.gz")
        put(tar, "run/3.gz", type=tarfile.SYMTYPE, linkname="../run/2.gz")
        put(tar, "run", type=tarfile.DIRTYPE)
        put(tar, "LICENSE", b"words")
        put(tar, "raw", b"z" * 600, pax_headers={"size": "600", "mtime": "1.5"} if kind == 2 else {})
    data = file.getvalue().rstrip(b"\0")  # less of the zeros behind
    return data + bytes(-len(data) % 512 + 512)


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_damaged_tar_is_indexed_or_named(kind: int, fuzz_count: int, tmp_path: Path) -> None:
    good, path = valid(kind), tmp_path / "data.tar"
    path.write_bytes(good)
    assert len(FORMAT.index(str(path))) == 5
    read = 0
    tracemalloc.start()
    try:
        for number, data in enumerate(mutants(good, count=fuzz_count // 3, seed=kind)):
            path.write_bytes(repaired(data) if number % 3 else data)
            read += survives(lambda: check(path), f"mutant {number} of {kind}")
            assert tracemalloc.get_traced_memory()[1] < 8 << 20, f"mutant {number} of {kind}"
    finally:
        tracemalloc.stop()
    assert 0 < read < fuzz_count // 3


def check(path: Path) -> None:
    """Index a tar; every chunk lies in the file and can be described."""
    table = FORMAT.index(str(path))
    assert (table["offset"] >= 0).all()
    assert (table["offset"] + table["size"] <= path.stat().st_size).all()
    for chunk in table:
        FORMAT.describe(str(path), chunk)


def repaired(data: bytes) -> bytes:
    """With right checksums where a header may be, so that what is behind the first check is met, too."""
    blocks = bytearray(data)
    for at in range(0, len(data) - 511, 512):
        header = blocks[at : at + 512]
        if header[257:262] == b"ustar":
            header[148:156] = b" " * 8
            blocks[at + 148 : at + 156] = b"%06o\0 " % sum(header)
    return bytes(blocks)
