"""Chunks of lc0 records, from files to batches: one after the other, and many at once."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from flowload.blocks import Chunks, Frames, SourceFile
from flowload.errors import DataError
from flowload.formats.lc0.format import FORMAT, Lc0
from flowload.formats.lc0.records import RECORDS
from flowload.kernels._jit import CHECKED
from flowload.stages.chunks.inflate.decompress import Decompress
from flowload.stages.chunks.inflate.sampling import Sampling
from tests.fuzz.inputs.mutate import mutants, survives
from tests.kernels import strategies
from tests.stages.fakes import FakeCall

ROOT = Path(__file__).parents[2]
LIMIT = 1 << 20
REAL = Lc0().in_bulk


def game(version: int, form: int) -> bytes:
    rng = np.random.default_rng(version)
    return b"".join(strategies.sound_record(version, form, rng).tobytes() for _ in range(3))


def damaged(version: int, count: int) -> list[tuple[bytes, bool]]:
    """Damaged chunks, and whether they are compressed: records under a good wrapping, and bad wrappings."""
    whole = game(version, 1 if version < 5 else 3)
    records = list(mutants(whole, count=count - count // 4, seed=version, first=8))
    fields = list(mutants(whole[::-1], count=count // 4, seed=version + 50, first=124))  # behind the planes
    wrapped = list(mutants(gzip.compress(whole, 1), count=count // 4, seed=version + 100))
    found = [(gzip.compress(data, 1), True) for data in [*records[::2], *(data[::-1] for data in fields)]]
    return [*found, *((data, False) for data in records[1::2]), *((data, True) for data in wrapped)]


@pytest.mark.parametrize("version", RECORDS)
@pytest.mark.parametrize("checked", [True, False])
def test_a_damaged_chunk_is_read_or_named(
    version: int, checked: bool, fuzz_count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    inputs = damaged(version, max(40, fuzz_count // (2 * len(RECORDS))))
    for number, (data, compressed) in enumerate(inputs):
        path = tmp_path / ("a.gz" if compressed else "a.tar")
        path.write_bytes(data if compressed else in_tar(data))
        told: list[bytes] = []
        for bulk in (False, True):
            monkeypatch.setattr(Lc0, "in_bulk", bulk and REAL)
            what = f"version {version}, mutant {number}, bulk {bulk}"
            read += survives(partial(unpack, path, told, checked=checked), what)
        assert len(told) in (0, 2), (
            f"version {version}, mutant {number}: one way reads it, the other does not"
        )
        assert len(set(told)) <= 1, f"version {version}, mutant {number}: the two ways differ"
    assert 0 < read < 2 * len(inputs)


def in_tar(data: bytes) -> bytes:
    """A tar of one raw member."""
    header = bytearray(512)
    header[:3], header[124:135], header[156:157] = b"raw", b"%011o" % len(data), b"0"
    header[257:263], header[148:156] = b"ustar\0", b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data + bytes(-len(data) % 512)


def unpack(path: Path, told: list[bytes], *, checked: bool) -> None:
    """Everything from the file to arrays of each layout; the records go to `told`."""
    chunks = Chunks(FORMAT, (SourceFile(str(path)),), FORMAT.index(str(path)))
    operator = Decompress(Sampling(), seed=1, limit=LIMIT, checked=checked)
    try:
        frames = operator.apply(chunks, FakeCall())
    finally:
        operator.close()
    assert isinstance(frames, Frames)
    for name, layout in FORMAT.layouts.items():
        out = {key: np.empty((len(frames), *shape), kind) for key, (shape, kind) in layout.fields().items()}
        layout.encode(frames.data, out, 0)
        if checked and name == "tensors":
            shares = out["probabilities"]
            assert np.isfinite(shares).all()
            assert (np.abs(np.where(shares < 0, 0, shares).sum(axis=1) - 1) < 0.011).all()
    told.append(Lc0().records(frames.data).tobytes())


@pytest.mark.hammer
def test_the_same_with_every_index_checked(fuzz_count: int) -> None:
    """In a process of its own: what kernels read and write are bytes of the arrays that they are given."""
    if CHECKED:
        pytest.skip("this is that process")
    asked = ("--hammers", "all", "--fuzz", str(max(50, fuzz_count // 4)))
    command = [sys.executable, "-m", "pytest", "-q", "-x", __file__, *asked]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "skipped" in done.stdout


def test_an_error_names_the_member(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(in_tar(game(6, 1)[:-1]))
    with pytest.raises(DataError, match=r"a\.tar: raw: wrong record size"):
        unpack(path, [], checked=True)
