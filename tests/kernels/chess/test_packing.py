from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Bytes
from flowload.kernels.chess.packing import pack_records, unpack_records
from flowload.kernels.chess.records import POLICY, VALUES, first_bad
from tests.kernels import naive, strategies

STRIDE = 2112


def moves(version: int, legal: int, seed: int) -> Bytes:
    """One record whose policy has so many numbers that are not the common one."""
    rng = np.random.default_rng(seed)
    record = strategies.record(version, 1, rng)[: naive.SIZES[version]].copy()
    policy = np.full(1858, -1 if version >= 4 else 0, np.float32)
    policy[rng.permutation(1858)[:legal]] = rng.random(legal, np.float32) + np.float32(0.5)
    head = 8 if version >= 5 else 4
    record[head : head + POLICY] = policy.view(np.uint8)
    return record


def packed(records: Bytes, stride: int = STRIDE) -> Bytes:
    out = np.full((len(records), stride), 255, np.uint8)
    assert pack_records(records, np.arange(len(records)), out) == -1
    return out


@given(st.sampled_from(list(naive.SIZES)), st.integers(0, 226), st.integers(0, 2**32))
def test_what_was_packed_comes_back_bit_for_bit(version: int, legal: int, seed: int) -> None:
    records = np.stack([moves(version, legal, seed), moves(version, 30, seed + 1)])
    rows = packed(records)
    out = np.full((2, 8396), 255, np.uint8)
    unpack_records(rows, out)
    assert np.array_equal(out[:, : records.shape[1]], records)
    assert not out[:, records.shape[1] :].any()
    assert first_bad(rows, 0) == -1


@pytest.mark.parametrize("version", naive.SIZES)
def test_the_order_is_that_of_the_rows_asked_for(version: int) -> None:
    records = np.stack([moves(version, k, k) for k in range(20)])
    which = np.array([7, 3, 3, 19])
    rows = np.empty((4, STRIDE), np.uint8)
    assert pack_records(records, which, rows) == -1
    assert np.array_equal(rows, packed(records)[which])


@pytest.mark.parametrize("legal", [227, 1858])
def test_a_policy_that_does_not_fit_is_told(legal: int) -> None:
    records = np.stack([moves(6, 30, 0), moves(6, legal, 1)])
    assert pack_records(records, np.arange(2), np.empty((2, STRIDE), np.uint8)) == 1


def test_bits_of_nan_and_minus_zero_are_kept() -> None:
    record = moves(6, 0, 0)
    words = record[8 : 8 + POLICY].view(np.uint32)
    words[[0, 31, 32, 1855, 1856, 1857]] = [0x7FC00001, 0x80000000, 0xFFFFFFFF, 0x7F800001, 0, 0xBF800001]
    out = np.empty((1, 8396), np.uint8)
    unpack_records(packed(record[None]), out)
    assert np.array_equal(out[0, :8356], record)


def test_unpacked_rows_come_back_as_they_are() -> None:
    record = moves(5, 30, 0)
    out = np.empty((1, 8396), np.uint8)
    unpack_records(record[None], out)
    assert np.array_equal(out[0, :8308], record)


@pytest.mark.parametrize(("at", "word"), [(968, 227), (972, 0xFFFFFFFF), (972 + 4 * 58, 4)])
def test_a_policy_that_would_lie_outside_its_row_is_no_record(at: int, word: int) -> None:
    rows = packed(moves(6, 30, 0)[None])
    rows[0, at : at + 4] = np.array([word], np.uint32).view(np.uint8)
    assert first_bad(rows, 0) == 0
    assert VALUES < STRIDE
