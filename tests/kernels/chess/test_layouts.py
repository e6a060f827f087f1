from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from flowload.abc.operators import Bytes
from flowload.kernels.chess import layouts
from flowload.kernels.chess.packing import pack_records
from flowload.kernels.chess.planes import write_bits, write_planes
from flowload.kernels.chess.policy import write_policy
from flowload.kernels.chess.values import write_outcome, write_values
from tests.kernels import naive, strategies
from tests.kernels.every import SCRATCH, every
from tests.kernels.memory import on_a_line

WIDE = 8396  # fits whatever a test's policy holds


def packed(rows: Bytes) -> Bytes:
    """The same records, each packed by itself: rows may be of several versions."""
    out = np.zeros((len(rows), WIDE + 964), np.uint8)
    for row, to in zip(rows, out, strict=True):
        size = naive.SIZES[int(row[0])]
        assert pack_records(np.ascontiguousarray(row[:size])[None], np.zeros(1, np.int64), to[None]) == -1
    return out


def shapes(n: int, *sizes: tuple[int, ...]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    found = [on_a_line((n, *size), np.float32) for size in sizes]
    for array in found:
        array[:] = 7
    return found


def tensors(rows: Bytes, out: list[np.ndarray[Any, np.dtype[np.float32]]], streamed: bool) -> int:
    planes, probabilities, values = out
    return layouts.encode_tensors(rows, planes, probabilities, values, streamed)


@pytest.mark.parametrize("streamed", [False, True])
@given(strategies.rows())
def test_tensors_are_what_the_single_kernels_write(streamed: bool, rows: Bytes) -> None:
    wanted = shapes(len(rows), (7168,), (1858,), (6, 3))
    every(write_planes, rows, wanted[0], SCRATCH, False)
    every(write_policy, rows, wanted[1], SCRATCH, False)
    every(write_values, rows, wanted[2])
    for source in (rows, packed(rows)):
        found = shapes(len(rows), (7168,), (1858,), (6, 3))
        assert tensors(source, found, streamed) == -1
        assert [a.tobytes() for a in found] == [a.tobytes() for a in wanted]


@pytest.mark.parametrize("streamed", [False, True])
@given(strategies.rows())
def test_tuples_are_what_the_single_kernels_write(streamed: bool, rows: Bytes) -> None:
    sizes: list[tuple[int, ...]] = [(7168,), (1858,), (3,), (3,), ()]
    wanted = shapes(len(rows), *sizes)
    every(write_planes, rows, wanted[0], SCRATCH, False)
    every(write_policy, rows, wanted[1], SCRATCH, False)
    every(write_outcome, rows, *wanted[2:])
    for source in (rows, packed(rows)):
        found = shapes(len(rows), *sizes)
        planes, probs, winner, best_q, plies_left = found
        assert layouts.encode_tuple(source, planes, probs, winner, best_q, plies_left, streamed) == -1
        assert [a.tobytes() for a in found] == [a.tobytes() for a in wanted]


@pytest.mark.parametrize("streamed", [False, True])
@given(strategies.rows())
def test_bits_are_what_the_single_kernels_write(streamed: bool, rows: Bytes) -> None:
    n = len(rows)
    bits, scalars = np.empty((n, 104), np.uint64), np.empty((n, 8), np.uint8)
    wanted = shapes(n, (1858,), (6, 3))
    every(write_bits, rows, bits, scalars)
    every(write_policy, rows, wanted[0], SCRATCH, False)
    every(write_values, rows, wanted[1])
    for source in (rows, packed(rows)):
        found = shapes(n, (1858,), (6, 3))
        own, flags = np.empty_like(bits), np.empty_like(scalars)
        assert layouts.encode_bits(source, own, flags, found[0], found[1], streamed) == -1
        assert np.array_equal(own, bits)
        assert np.array_equal(flags, scalars)
        assert [a.tobytes() for a in found] == [a.tobytes() for a in wanted]


@pytest.mark.parametrize("streamed", [False, True])
def test_the_first_bad_row_is_told(streamed: bool) -> None:
    rows = np.stack([strategies.record(6, 1, np.random.default_rng(k)) for k in range(3)])
    rows[1, 0] = 9
    found = shapes(3, (7168,), (1858,), (6, 3))
    assert tensors(rows, found, streamed) == 1
    assert (found[0][1] == 7).all()


@pytest.mark.parametrize("beside", [4, 32])
def test_what_does_not_begin_on_a_cache_line_is_right_too(beside: int) -> None:
    rows = np.stack([strategies.record(6, 1, np.random.default_rng(k)) for k in range(3)])
    wanted = shapes(3, (7168,), (1858,), (6, 3))
    found = [on_a_line(array.shape, np.float32, beside) for array in wanted]
    assert tensors(rows, wanted, streamed=False) == tensors(rows, found, streamed=True) == -1
    assert [a.tobytes() for a in found] == [a.tobytes() for a in wanted]
