from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowload.kernels._jit import kernel
from flowload.kernels.molecules.scan import no_element_in, not_finite_in

# Intrinsics exist inside compiled functions only.


@kernel
def wild(array: NDArray[np.float32], first: int, count: int) -> bool:
    return not_finite_in(array, 4 * first, count)


@kernel
def strange(array: NDArray[np.int32], first: int, count: int) -> bool:
    return no_element_in(array, 4 * first, count)


@given(st.lists(st.floats(width=32) | st.just(1.0), max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_one_number_that_is_not_finite_is_found_among_others(
    numbers: list[float], first: int, count: int
) -> None:
    part = numbers[first : first + count]
    found = wild(np.array([*numbers, 0], np.float32), min(first, len(numbers)), len(part))
    assert found == any(not math.isfinite(number) for number in part)


@given(st.lists(st.integers(-2, 120) | st.just(6), max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_one_number_that_is_no_element_is_found_among_others(
    numbers: list[int], first: int, count: int
) -> None:
    part = numbers[first : first + count]
    found = strange(np.array([*numbers, 6], np.int32), min(first, len(numbers)), len(part))
    assert found == any(not 1 <= number <= 118 for number in part)


def test_the_bounds() -> None:
    for number, found in ((0, True), (1, False), (118, False), (119, True), (-(2**31), True)):
        assert strange(np.array([number], np.int32), 0, 1) is found
    for value, not_finite in ((3.4028235e38, False), (-0.0, False), (np.inf, True), (-np.nan, True)):
        assert wild(np.array([value], np.float32), 0, 1) is not_finite
