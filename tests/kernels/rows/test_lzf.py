"""LZF: a slow twin, written from the format; what h5py packs is tried in tests/formats/rows/test_hdf5.py."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.rows.lzf import expand_lzf

#: Literals, or a copy of so many bytes from so far back.
PARTS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=32),
        st.tuples(st.integers(3, 264), st.integers(1, 8192)),
    ),
    max_size=20,
)


def packed(parts: list[bytes | tuple[int, int]]) -> tuple[bytes, bytes]:
    """A stream, and what it stands for; copies from before the beginning are left out."""
    stream, whole = bytearray(), bytearray()
    for part in parts:
        if isinstance(part, bytes):
            stream += bytes([len(part) - 1]) + part
            whole += part
        elif part[1] <= len(whole):
            count, back = part[0] - 2, part[1] - 1
            stream.append(min(count, 7) << 5 | back >> 8)
            stream += bytes([count - 7]) if count >= 7 else b""
            stream.append(back & 255)
            for _ in range(part[0]):
                whole.append(whole[-part[1]])
    return bytes(stream), bytes(whole)


@given(PARTS, st.integers(0, 9))
def test_what_was_packed_comes_out(parts: list[bytes | tuple[int, int]], spare: int) -> None:
    stream, whole = packed(parts)
    out = np.full(len(whole) + spare, 7, np.uint8)
    assert expand_lzf(np.frombuffer(stream, np.uint8), out) == len(whole)
    assert out[: len(whole)].tobytes() == whole
    assert (out[len(whole) :] == 7).all()


@given(st.binary(max_size=200), st.integers(0, 100))
def test_any_bytes_are_harmless(stream: bytes, room: int) -> None:
    memory = np.full(room + 300, 7, np.uint8)
    found = expand_lzf(np.frombuffer(stream, np.uint8), memory[:room])
    assert -1 <= found <= room
    assert (memory[room:] == 7).all()


def test_damage() -> None:
    for stream in (b"\x03ab", b"\x20", b"\xe0\x01", b"\x20\x00", b"\x00a\x20\x01"):
        assert expand_lzf(np.frombuffer(stream, np.uint8), np.zeros(99, np.uint8)) == -1
    assert expand_lzf(np.frombuffer(b"\x02abc", np.uint8), np.zeros(2, np.uint8)) == -1
