from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.formats.containers.native import native_functions
from flowload.kernels._jit import kernel
from flowload.kernels.chess.unpacking import GZIP, STREAM, Functions, inflate_into
from flowload.kernels.native import call_one, call_two

FUNCTIONS = native_functions()
pytestmark = pytest.mark.skipif(FUNCTIONS is None, reason="this zlib-ng hides its functions")
SLACK = 16


@kernel
def inflate_twice(
    functions: Functions, stream: NDArray[np.int64], data: Bytes, count: int, out: Bytes, size: int
) -> tuple[int, bool, bool, int]:
    started = call_two(functions.start, stream.ctypes.data, GZIP)
    first = inflate_into(functions, stream, data, count, out, size)
    again = inflate_into(functions, stream, data, count, out, size)
    return started, first, again, call_one(functions.end, stream.ctypes.data)


def inflated(data: bytes, size: int, *, room: int | None = None) -> bytes | None:
    """What one member is, inflated twice with one stream; None: it is not so many bytes."""
    assert FUNCTIONS is not None
    out = np.full((size if room is None else room) + SLACK, 7, np.uint8)
    stream = np.zeros(STREAM, np.int64)
    found = inflate_twice(FUNCTIONS, stream, np.frombuffer(data, np.uint8), len(data), out[:-SLACK], size)
    assert found[0] == found[3] == 0
    assert found[1] == found[2]
    assert out[-SLACK:].tobytes() == b"\7" * SLACK
    return out[:size].tobytes() if found[1] else None


@given(st.binary(max_size=3000), st.integers(1, 50), st.integers(0, 9), st.integers(0, 70))
def test_a_member_is_what_zlib_says(some: bytes, times: int, level: int, more: int) -> None:
    wanted = some * times
    data = gzip.compress(wanted, level)
    assert inflated(data, len(wanted), room=len(wanted) + more) == wanted == zlib.decompress(data, 31)


@given(st.binary(min_size=1, max_size=300), st.integers(-5, 5).filter(bool))
def test_another_size_than_claimed_is_refused(wanted: bytes, more: int) -> None:
    size = max(0, len(wanted) + more)
    assert inflated(gzip.compress(wanted), size, room=len(wanted) + 8) is None
    assert inflated(gzip.compress(wanted), size) is None


@given(st.binary(min_size=1, max_size=300), st.data())
def test_whatever_is_wrong_is_refused(wanted: bytes, draw: st.DataObject) -> None:
    good = gzip.compress(wanted)
    cut = good[: draw.draw(st.integers(1, len(good) - 1), "bytes left")]
    assert inflated(cut, len(wanted)) is None
    bit = draw.draw(st.integers(0, 8 * 8 - 1), "bit of the CRC and the size")
    trailer = int.from_bytes(good[-8:], "little") ^ 1 << bit
    assert inflated(good[:-8] + trailer.to_bytes(8, "little"), len(wanted)) is None
    for behind in (b"\0", b"x", good):
        assert inflated(good + behind, len(wanted)) is None
    assert inflated(zlib.compress(wanted), len(wanted)) is None
