from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.chunks.shares import LANES, sum_of_shares

MINUS_ONE = 0xBF800000
WORDS = st.one_of(
    st.integers(0, 0x3F800000),
    st.sampled_from([MINUS_ONE, MINUS_ONE, 0x80000000, 0, 0x3F800000]),
)
NONE = [0x3F800001, 0x7F800000, 0x7FC00000, 0xFFC00000, 0xBF800001, 0xBF7FFFFF, 0x80000001, 0xFF800000]


@kernel
def added(data: Bytes, offset: int, count: int) -> float:
    return sum_of_shares(data, offset, count)


def put(words: list[int], offset: int, behind: int = 0x7FC00000) -> Bytes:
    """Numbers from a byte on, between others that are no shares."""
    noise = np.full(offset + 4 * len(words) + 64, 255, np.uint8)
    noise[offset : offset + 4 * len(words)] = np.array(words, np.uint32).view(np.uint8)
    return noise


@given(st.lists(WORDS, max_size=70), st.integers(0, 9))
def test_what_is_not_minus_one_is_added(words: list[int], offset: int) -> None:
    numbers = np.array(words, np.uint32).view(np.float32).tolist()
    found = added(put(words, offset), offset, len(words))
    assert math.isclose(found, math.fsum(number for number in numbers if number > 0), rel_tol=1e-12)


@pytest.mark.parametrize("wrong", NONE)
@pytest.mark.parametrize("count", [1, 5, LANES, 2 * LANES + 3])
def test_a_number_that_is_no_share_is_found_wherever_it_is(wrong: int, count: int) -> None:
    for place in range(count):
        words = [MINUS_ONE] * count
        words[place] = wrong
        assert math.isnan(added(put(words, 2), 2, count))
