"""Cells by lists of places, and numbers in halves: beside slow twins, numpy and ml_dtypes."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flowload.kernels.rows.cells import (
    float16_of,
    gather_cells,
    stream_cells,
    to_bfloat16,
    to_float16,
    words_of,
)

BITS = hnp.arrays(np.uint32, st.integers(0, 40), elements=st.integers(0, 2**32 - 1))

#: Where rounding, the smallest numbers, the largest ones and those that are none meet.
CORNERS = np.array(
    [0.0, -0.0, 65504, 65519.996, 65520, 65536, -65520, 2**-14, 2**-24, 2**-25, 1.5 * 2**-25, 3 * 2**-25,
     1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-8, 1 + 3 * 2**-8, 3.4e38, 3.3895314e38, 3.39e38, 1e-40, 1e-45,
     np.inf, -np.inf, np.nan],
    np.float32,
)  # fmt: skip


def halves(values: np.ndarray[Any, np.dtype[np.float32]], name: str) -> tuple[Any, int]:
    """As the kernels make them."""
    out = np.empty(values.shape, np.uint16)
    bits = values.view(np.uint32)
    lost = to_float16(out, bits, values) if name == "float16" else to_bfloat16(out, bits)
    return out.view(np.float16 if name == "float16" else ml_dtypes.bfloat16), lost


def nearest(value: float, digits: int, least: int, most: int) -> float:
    """The twin: the nearest number with so many binary digits behind the first, ties to even.

    Args:
        value: finite.
        digits: behind the first one.
        least: exponent of the smallest number that has all of them.
        most: exponent of the largest.
    """
    exact = Fraction(value)
    if not exact:
        return value
    size, exponent = abs(exact), least
    while size >= Fraction(2) ** (exponent + 1):
        exponent += 1
    unit = Fraction(2) ** (exponent - digits)
    whole, rest = divmod(size, unit)
    whole += rest * 2 > unit or (rest * 2 == unit and whole % 2 == 1)
    found = whole * unit
    if found >= Fraction(2) ** (most + 1):
        return float("inf") if value > 0 else float("-inf")
    return float(found) if value > 0 else -float(found)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), [("float16", (10, -14, 15)), ("bfloat16", (7, -126, 127))])
@settings(max_examples=100, deadline=None)
@given(bits=BITS)
def test_halves_are_the_nearest_there_are(name: str, shape: tuple[int, int, int], bits: Any) -> None:
    values = np.concatenate([bits.view(np.float32), CORNERS])
    made, lost = halves(values, name)
    finite = np.isfinite(values)
    twin = [nearest(struct.unpack("f", struct.pack("f", v))[0], *shape) for v in values[finite].tolist()]
    assert made[finite].astype(np.float64).tolist() == twin
    assert np.isnan(made[np.isnan(values)].astype(np.float32)).all()
    assert (made[np.isinf(values)].astype(np.float32) == values[np.isinf(values)]).all()
    assert (np.signbit(made.astype(np.float32)) == np.signbit(values))[~np.isnan(values)].all()
    assert lost == sum(np.isinf(twin))


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_halves_are_those_of_numpy_and_ml_dtypes(name: str) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint32)
    values = np.concatenate([bits.view(np.float32), CORNERS])
    made, lost = halves(values, name)
    with np.errstate(all="ignore"):
        theirs = values.astype(made.dtype)
    number = ~np.isnan(values)
    assert (made.view(np.uint16) == theirs.view(np.uint16))[number].all()
    assert lost == (np.isinf(theirs.astype(np.float32)) & np.isfinite(values)).sum()


def test_float16_is_the_same_with_and_without_the_processors_own_word() -> None:
    bits = np.random.default_rng(1).integers(0, 2**32, 20_000, dtype=np.uint32)
    values = np.concatenate([bits.view(np.float32), CORNERS, [np.float32(-np.nan)]]).astype(np.float32)
    values = np.concatenate([values, np.array([0x7F800001, 0xFFC12345], np.uint32).view(np.float32)])
    made, _ = halves(values, "float16")
    one_by_one = [float16_of(w, v) for w, v in zip(values.view(np.uint32), values, strict=True)]
    assert made.view(np.uint16).tolist() == one_by_one


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 5), st.integers(1, 9)),
    dtype=st.sampled_from(["u1", "i2", "f4", "c8"]),
    data=st.data(),
)
def test_cells_are_picked_one_by_one(shape: tuple[int, int], dtype: str, data: st.DataObject) -> None:
    cells = data.draw(st.lists(st.integers(0, shape[1] - 1), max_size=12))
    rows = (np.arange(shape[0] * shape[1]).reshape(shape) % 251).astype(dtype)
    out = np.zeros((shape[0], len(cells)), dtype)
    words, source = words_of(out), words_of(rows)
    assert words is not None
    assert source is not None
    gather_cells(words, source, np.array(cells, np.uint64))
    twin = [[row[cell] for cell in cells] for row in rows.tolist()]
    assert out.tolist() == twin
    streamed = np.zeros(out.nbytes + 8, np.uint8)[data.draw(st.sampled_from([0, 1, 4])) :][: out.nbytes]
    stream_cells(streamed, source, np.array(cells, np.uint64), np.empty(len(cells), source.dtype))
    assert streamed.tobytes() == out.tobytes()


def test_wide_rows_are_streamed_line_by_line() -> None:
    rows = np.random.default_rng(0).integers(0, 2**32, (7, 1000), dtype=np.uint32)
    cells = np.random.default_rng(1).permutation(1000)[:333].astype(np.uint64)
    memory = np.zeros(7 * 333 * 4 + 128, np.uint8)
    out = memory[60 : 60 + 7 * 333 * 4]
    stream_cells(out, rows, cells, np.empty(333, np.uint32))
    np.testing.assert_array_equal(out.view(np.uint32).reshape(7, 333), rows[:, cells])
    assert not memory[:60].any()
    assert not memory[60 + out.nbytes :].any()


def test_what_has_no_words() -> None:
    assert words_of(np.zeros(2, "c16")) is None
    assert words_of(np.zeros(2, "c8")) is not None
