from __future__ import annotations

import gzip
import os
import threading
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zlib_ng import zlib_ng

from flowload.errors import DataError
from flowload.formats.containers.gzip import LOOKED_AT, STEP, inflate

TEXT = b"".join(b"%d, " % k for k in range(5000))
PACKED = gzip.compress(TEXT, mtime=0)


def fails(data: bytes, reason: str, *, limit: int = 1 << 20, size: int = 1 << 16) -> DataError:
    with pytest.raises(DataError) as caught:
        inflate(data, np.empty(size, np.uint8), limit=limit, where="file, member")
    assert caught.value.reason == reason
    assert caught.value.where == "file, member"
    return caught.value


@given(
    st.lists(st.binary(max_size=3000), min_size=1, max_size=4),
    st.integers(0, 9000),
    st.integers(0, 9),
    st.data(),
)
def test_inflates_what_gzip_deflated(parts: list[bytes], size: int, zeros: int, data: st.DataObject) -> None:
    packed = b"".join(gzip.compress(part, data.draw(st.integers(0, 9))) for part in parts) + bytes(zeros)
    out = np.zeros(size, np.uint8)
    found = inflate(packed, out, limit=1 << 20, where="here")
    assert found.tobytes() == b"".join(parts)
    assert np.shares_memory(found, out) == (0 < len(found) <= size)


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_data_in_a_buffer_that_just_fits_or_not(spare: int) -> None:
    out = np.empty(len(TEXT) + spare, np.uint8)
    found = inflate(PACKED, out, limit=1 << 20, where="here")
    assert found.tobytes() == TEXT
    assert np.shares_memory(found, out) == (spare >= 0)


@pytest.mark.parametrize("size", [0, 100, 1 << 20])
def test_the_limit_is_exact(size: int) -> None:
    out = np.empty(size, np.uint8)
    assert inflate(PACKED, out, limit=len(TEXT), where="here").tobytes() == TEXT
    error = fails(PACKED, "chunk too large", limit=len(TEXT) - 1, size=size)
    assert str(len(TEXT) - 1) in error.found


def test_a_bomb_costs_no_more_memory_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    empty = np.empty

    def counted(size: int, dtype: type) -> object:
        sizes.append(size)
        return empty(size, dtype)

    bomb = gzip.compress(bytes(50_000_000))
    out = np.empty(10, np.uint8)
    monkeypatch.setattr(np, "empty", counted)
    with pytest.raises(DataError, match="chunk too large"):
        inflate(bomb, out, limit=1_000_000, where="here")
    assert max(sizes) <= 1_000_000


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 100, len(PACKED) - 1, len(PACKED) - 5])
def test_truncated(cut: int) -> None:
    assert str(len(PACKED) - cut) in fails(PACKED[:-cut], "truncated gzip").found
    fails(PACKED + PACKED[:-cut], "truncated gzip")


def test_bad_crc() -> None:
    broken = bytearray(PACKED)
    broken[-8] ^= 1
    assert "member 0" in fails(bytes(broken), "bad CRC").found
    assert "member 1" in fails(PACKED + bytes(broken), "bad CRC").found


def test_wrong_size() -> None:
    broken = bytearray(PACKED)
    broken[-1] ^= 1
    fails(bytes(broken), "wrong gzip size")


@pytest.mark.parametrize("garbage", [b"x", b"\0\0x", b"\x1fx", b"garbage " * 100])
def test_trailing_garbage(garbage: bytes) -> None:
    error = fails(PACKED + garbage, "trailing garbage")
    assert error.found == f"{len(garbage.lstrip(bytes(1)))} bytes after 1 gzip members"


class Fed:
    """Counts what inflaters are fed."""

    def __init__(self) -> None:
        self.members = self.nbytes = 0
        self.make = zlib_ng.decompressobj

    def __call__(self, bits: int) -> Fed:
        self.members += 1
        self.engine = self.make(bits)
        return self

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def decompress(self, data: bytes, most: int) -> bytes:
        self.nbytes += len(data)
        out: bytes = self.engine.decompress(data, most)
        return out


@pytest.mark.parametrize("between", [b"", bytes(3)])
@pytest.mark.parametrize("count", [1, 1000, LOOKED_AT - 1, LOOKED_AT + 500])
def test_a_fault_behind_many_members_is_found_in_linear_time(
    count: int, between: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zlib_ng, "decompressobj", fed := Fed())
    empty = gzip.compress(b"") + between
    if count < LOOKED_AT:
        assert fails(empty * count + b"x", "trailing garbage").found == f"1 bytes after {count} gzip members"
        wrong = bytearray(PACKED)
        wrong[-8] ^= 1
        assert f"member {count}" in fails(empty * count + wrong, "bad CRC").found
    else:
        fails(empty * count + b"x", "bad gzip")
    assert fed.members <= 2 * LOOKED_AT
    assert fed.nbytes < 2 * (count + 1) * 2 * STEP + 2 * len(PACKED)


def test_faults_are_found_in_little_memory() -> None:
    bomb = gzip.compress(bytes(64 << 20), 1)
    data = [PACKED + bytes(20 << 20) + b"x", bomb[:-8] + bytes(8), bomb + b"x", PACKED[:-4] + bytes(20 << 20)]
    for broken in data:
        out = np.empty(65 << 20, np.uint8)
        tracemalloc.start()
        try:
            with pytest.raises(DataError):
                inflate(broken, out, limit=65 << 20, where="here")
            assert tracemalloc.get_traced_memory()[1] < 5 << 20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"x", b"this is no gzip data at all", b"\x1f\x8b\x07" + PACKED[3:]])
def test_what_is_no_gzip(data: bytes) -> None:
    if data:
        fails(data, "bad gzip")
    else:
        assert len(inflate(data, np.empty(9, np.uint8), limit=9, where="here")) == 0


@given(st.integers(10, len(PACKED) - 10), st.integers(1, 255))  # the last byte has bits that mean nothing
def test_any_damage_is_found(at: int, change: int) -> None:
    broken = bytearray(PACKED)
    broken[at] ^= change
    with pytest.raises(
        DataError, match=r"here: (bad gzip|bad CRC|wrong gzip size|truncated gzip|trailing garbage)"
    ):
        inflate(bytes(broken), np.empty(1 << 16, np.uint8), limit=1 << 20, where="here")


def test_without_the_library_s_inner_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(zlib_ng, "_GzipReader")
    out = np.empty(len(TEXT), np.uint8)
    assert inflate(PACKED, out, limit=1 << 20, where="here").tobytes() == TEXT
    fails(PACKED[:-1], "truncated gzip")


def test_members_that_zlib_s_own_compressor_made() -> None:
    engine = zlib.compressobj(wbits=31, strategy=zlib.Z_HUFFMAN_ONLY)
    data = os.urandom(70_000)
    packed = engine.compress(data) + engine.flush()
    assert inflate(packed, np.empty(1, np.uint8), limit=1 << 20, where="here").tobytes() == data


def test_several_threads_at_once() -> None:
    results: list[bytes] = []

    def work() -> None:
        out = np.empty(len(TEXT), np.uint8)
        results.extend(inflate(PACKED, out, limit=1 << 20, where="here").tobytes() for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [TEXT] * 80
