"""Streamed writes against numpy: every byte in its place, and none beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.kernels import streaming
from flowload.kernels._jit import kernel
from flowload.kernels.streaming import address, fence, is_large, stream_bits, stream_bytes
from flowload.kernels.words import spread_bits
from tests.kernels.memory import on_a_line

# Intrinsics exist inside compiled functions only.


@kernel
def where(array: NDArray[Any]) -> int:
    return address(array)


@kernel
def bits(out: NDArray[np.float32], start: int, word: np.uint64, streamed: bool) -> None:
    if streamed:
        stream_bits(out, start, word)
    else:
        spread_bits(out, start, word)
    fence()


@given(st.integers(0, 2**64 - 1), st.integers(0, 2))
def test_bits_are_those_of_ordinary_writes(word: int, board: int) -> None:
    found, wanted = (on_a_line((3, 64), np.float32) for _ in range(2))
    for out in (found, wanted):
        out[:] = 7
    bits(found, 256 * board, np.uint64(word), True)
    bits(wanted, 256 * board, np.uint64(word), False)
    assert found.tobytes() == wanted.tobytes()


@given(st.integers(0, 130), st.integers(0, 70), st.integers(0, 400))
def test_bytes_are_copied_to_any_place_from_any_place(start: int, offset: int, count: int) -> None:
    data = np.random.default_rng(count).integers(0, 256, 600, np.uint8)
    out = on_a_line((600,), np.uint8)
    out[:] = 7
    wanted = out.copy()
    wanted[start : start + count] = data[offset : offset + count]
    stream_bytes(out, start, data, offset, count)
    assert out.tobytes() == wanted.tobytes()


def test_an_array_says_where_it_begins() -> None:
    memory = np.zeros(200, np.uint8)
    assert where(memory) == memory.ctypes.data
    assert where(memory[3:]) == memory.ctypes.data + 3


def test_large_is_what_does_not_stay_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "last_cache", lambda: 32 << 20)
    assert not is_large(1 << 20)
    assert not is_large(4 << 20)
    assert is_large((4 << 20) + 1)


def test_the_cache_is_as_large_as_the_system_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for number, size in enumerate(("32K", "512K", "16384K", "?")):
        (tmp_path / f"index{number}").mkdir()
        (tmp_path / f"index{number}" / "size").write_text(size + "\n")
    monkeypatch.setattr(streaming, "CACHE", tmp_path)
    assert streaming.last_cache.__wrapped__() == 16 << 20
    monkeypatch.setattr(streaming, "CACHE", tmp_path / "nothing")
    assert streaming.last_cache.__wrapped__() == streaming.USUAL
