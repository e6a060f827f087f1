from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.words import byte_at, fill_ints, float_at, int_at, spread_bits, word_at

# Intrinsics exist inside compiled functions only.


@kernel
def read(data: Bytes, at: int) -> tuple[int, int, np.uint64, np.float32]:
    return byte_at(data, at), int_at(data, at), word_at(data, at), float_at(data, at)


@kernel
def spread(out: np.ndarray[tuple[int], np.dtype[np.float32]], start: int, word: np.uint64) -> None:
    spread_bits(out, start, word)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 8))
def test_numbers_are_read_at_any_byte(data: bytes, at: int) -> None:
    found = read(np.frombuffer(data, np.uint8), at)
    wanted = (data[at], *(struct.unpack_from(kind, data, at)[0] for kind in ("<I", "<Q", "<f")))
    assert found[:3] == wanted[:3]
    assert struct.pack("<f", found[3]) == struct.pack("<f", wanted[3]) or np.isnan(wanted[3])


@given(st.integers(0, 2**64 - 1), st.integers(0, 3))
def test_bits_are_spread_over_64_floats_and_no_more(word: int, start: int) -> None:
    out = np.full(70, 7, np.float32)
    spread(out, 4 * start, np.uint64(word))
    wanted = [float(word >> (k ^ 7) & 1) for k in range(64)]
    assert out.tolist() == [7.0] * start + wanted + [7.0] * (6 - start)


@kernel
def fill(out: Bytes, start: int, value: int, count: int) -> None:
    fill_ints(out, start, value, count)


@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.integers(0, 40))
def test_a_number_is_written_so_many_times_and_no_more(value: int, start: int, count: int) -> None:
    out = np.full(180, 7, np.uint8)
    fill(out, start, value, count)
    wanted = b"\7" * start + value.to_bytes(4, "little") * count + b"\7" * (180 - start - 4 * count)
    assert out.tobytes() == wanted
