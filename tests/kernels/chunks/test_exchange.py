from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.chunks.exchange import exchange
from tests.kernels.chunks import naive_sampling as naive


def as_rows(items: list[bytes], width: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(items), np.uint8).reshape(len(items), width).copy()


@given(data=st.data(), width=st.sampled_from([1, 3, 8, 12, 31, 64, 100, 8356]))
def test_exchange_equals_its_twin(data: st.DataObject, width: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    size, count = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 9))
    slots, rows = ([rng.bytes(width) for _ in range(n)] for n in (size, count))
    which = data.draw(st.lists(st.integers(0, size - 1), min_size=count, max_size=count))
    left, right = as_rows(slots, width), as_rows(rows, width)
    exchange(left, right, np.array(which, np.int64))
    naive.swap(slots, rows, which)
    assert [row.tobytes() for row in left] == slots
    assert [row.tobytes() for row in right] == rows


@given(which=st.lists(st.integers(0, 4), max_size=9))
def test_rows_of_numbers_are_swapped_like_their_bytes(which: list[int]) -> None:
    slots = np.arange(15, dtype=np.int32).reshape(5, 3)
    rows = -np.arange(3 * len(which), dtype=np.int32).reshape(len(which), 3)
    left, right = slots.view(np.uint8).copy(), rows.view(np.uint8).reshape(len(which), 12).copy()
    exchange(slots, rows, np.array(which, np.int64))
    exchange(left, right, np.array(which, np.int64))
    assert slots.tobytes() == left.tobytes()
    assert rows.tobytes() == right.tobytes()


@pytest.mark.parametrize("shift", [0, 1, 4, 7])
def test_any_alignment_will_do(shift: int) -> None:
    memory = np.arange(200, dtype=np.uint8)
    slots, rows = memory[shift : shift + 60].reshape(3, 20), memory[90 + shift : 130 + shift].reshape(2, 20)
    before = memory.copy()
    exchange(slots, rows, np.array([2, 0]))
    assert slots[2].tolist() == before[90 + shift : 110 + shift].tolist()
    assert rows[1].tolist() == before[shift : shift + 20].tolist()
    assert sorted(memory.tolist()) == sorted(before.tolist())
