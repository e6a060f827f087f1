from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Bytes
from flowload.kernels.chess.records import first_bad, format_of, shift_of, size_of
from tests.kernels import naive, strategies


@given(strategies.rows(spare=1))
def test_valid_records_are_not_bad(rows: Bytes) -> None:
    assert first_bad(rows, 0) == -1


@pytest.mark.parametrize("version", naive.SIZES)
def test_the_known_input_formats(version: int) -> None:
    row = strategies.record(version, 1, np.random.default_rng(0))
    for form in range(256):
        if version >= 5:
            row[4] = form
        good = version < 5 or form in (1, 2, 3, 4, 5, 132, 133)
        assert first_bad(row[None], version) == (-1 if good else 0)
        assert format_of(row[None], 0, version) == (form if version >= 5 else 1)


@given(strategies.rows(versions=(6,)), st.integers(0, 3), st.sampled_from([0, 2, 8, 6 + 256, 2**32 - 1]))
def test_the_first_unknown_version_is_found(rows: Bytes, at: int, version: int) -> None:
    at %= len(rows)
    rows[at:, :4] = np.array([version], np.uint32).view(np.uint8)
    assert first_bad(rows, 0) == at


def test_a_record_longer_than_its_row_is_bad() -> None:
    row = strategies.record(7, 1, np.random.default_rng(0))
    assert first_bad(np.ascontiguousarray(row[None, :8395]), 0) == 0
    assert first_bad(row[None], 0) == -1


def test_a_record_of_another_version_than_wanted_is_bad() -> None:
    row = strategies.record(7, 1, np.random.default_rng(0))
    assert first_bad(row[None], 6) == 0


@pytest.mark.parametrize("version", naive.SIZES)
@pytest.mark.parametrize("byte", [0, 1, 255, 2, 128, 254])
def test_a_result_counts_before_version_6(version: int, byte: int) -> None:
    row = strategies.record(version, 1, np.random.default_rng(0))
    row[8279 if version >= 5 else 8275] = byte
    good = version >= 6 or byte in (0, 1, 255)
    assert first_bad(row[None], 0) == (-1 if good else 0)


@pytest.mark.parametrize("version", range(12))
def test_sizes(version: int) -> None:
    assert size_of(version) == naive.SIZES.get(version, 0)
    assert shift_of(version) == (0 if version >= 5 else -4)
