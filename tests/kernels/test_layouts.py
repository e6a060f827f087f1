from __future__ import annotations

import numpy as np
from hypothesis import given

from flowload.kernels import layouts
from flowload.kernels.packing import pack_records
from flowload.kernels.planes import write_bits, write_planes
from flowload.kernels.policy import write_policy
from flowload.kernels.values import write_outcome, write_values
from flowload.protocols import Bytes
from tests.kernels import naive, strategies
from tests.kernels.every import every

WIDE = 8396  # fits whatever a test's policy holds


def packed(rows: Bytes) -> Bytes:
    """The same records, each packed by itself: rows may be of several versions."""
    out = np.zeros((len(rows), WIDE + 964), np.uint8)
    for row, to in zip(rows, out, strict=True):
        size = naive.SIZES[int(row[0])]
        assert pack_records(np.ascontiguousarray(row[:size])[None], np.zeros(1, np.int64), to[None]) == -1
    return out


def shapes(n: int, *sizes: tuple[int, ...]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return [np.full((n, *size), 7, np.float32) for size in sizes]


@given(strategies.rows())
def test_tensors_are_what_the_single_kernels_write(rows: Bytes) -> None:
    wanted = shapes(len(rows), (7168,), (1858,), (6, 3))
    every(write_planes, rows, wanted[0])
    every(write_policy, rows, wanted[1])
    every(write_values, rows, wanted[2])
    for source in (rows, packed(rows)):
        found = shapes(len(rows), (7168,), (1858,), (6, 3))
        assert layouts.encode_tensors(source, *found) == -1
        assert [a.tobytes() for a in found] == [a.tobytes() for a in wanted]


@given(strategies.rows())
def test_tuples_are_what_the_single_kernels_write(rows: Bytes) -> None:
    sizes: list[tuple[int, ...]] = [(7168,), (1858,), (3,), (3,), ()]
    wanted = shapes(len(rows), *sizes)
    every(write_planes, rows, wanted[0])
    every(write_policy, rows, wanted[1])
    every(write_outcome, rows, *wanted[2:])
    for source in (rows, packed(rows)):
        found = shapes(len(rows), *sizes)
        assert layouts.encode_tuple(source, *found) == -1
        assert [a.tobytes() for a in found] == [a.tobytes() for a in wanted]


@given(strategies.rows())
def test_bits_are_what_the_single_kernels_write(rows: Bytes) -> None:
    n = len(rows)
    bits, scalars = np.empty((n, 104), np.uint64), np.empty((n, 8), np.uint8)
    wanted = shapes(n, (1858,), (6, 3))
    every(write_bits, rows, bits, scalars)
    every(write_policy, rows, wanted[0])
    every(write_values, rows, wanted[1])
    for source in (rows, packed(rows)):
        found = shapes(n, (1858,), (6, 3))
        own, flags = np.empty_like(bits), np.empty_like(scalars)
        assert layouts.encode_bits(source, own, flags, *found) == -1
        assert np.array_equal(own, bits)
        assert np.array_equal(flags, scalars)
        assert [a.tobytes() for a in found] == [a.tobytes() for a in wanted]


def test_the_first_bad_row_is_told() -> None:
    rows = np.stack([strategies.record(6, 1, np.random.default_rng(k)) for k in range(3)])
    rows[1, 0] = 9
    found = shapes(3, (7168,), (1858,), (6, 3))
    assert layouts.encode_tensors(rows, *found) == 1
    assert (found[0][1] == 7).all()
