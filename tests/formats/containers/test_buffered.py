from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowload.formats.containers.buffered import Window

DATA = bytes(range(256)) * 1024


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


@given(st.lists(st.tuples(st.integers(0, len(DATA) + 9), st.integers(0, 4096))))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reads_are_those_of_the_file(fd: int, reads: list[tuple[int, int]]) -> None:
    window = Window(fd)
    assert window.size == len(DATA)
    for offset, count in reads:
        assert window.read(offset, count) == DATA[offset : offset + count]


@pytest.mark.parametrize(("step", "most"), [(1024, 5), (50_000, 6)])
def test_small_steps_share_a_read_and_large_ones_read_little(
    fd: int, step: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []

    def pread(fd: int, count: int, offset: int) -> bytes:
        reads.append(count)
        return DATA[offset : offset + count]

    monkeypatch.setattr(os, "pread", pread)
    window = Window(fd)
    for offset in range(0, len(DATA), step):
        window.read(offset, 512)
    assert len(reads) <= most
    assert step < 4096 or sum(reads) < 100_000
