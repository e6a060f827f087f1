from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.stages.chunks.inflate.record_buffer import RecordBuffer
from tests.stages.fakes import FakeCall

part = st.tuples(
    st.integers(1, 9),  # stride
    st.integers(0, 5),  # records
    st.booleans(),  # written in place, if they fit
    st.one_of(st.none(), st.lists(st.integers(0, 4), max_size=5)),  # which
)


@given(nbytes=st.integers(0, 100), parts=st.lists(part, max_size=8))
def test_rows_are_what_was_taken(nbytes: int, parts: list[tuple[int, int, bool, list[int] | None]]) -> None:
    rows = RecordBuffer(FakeCall(), nbytes)
    model: list[list[int]] = []
    value = 0
    for stride, count, in_place, picks in parts:
        flat = (np.arange(stride * count) + value).astype(np.uint8)
        value += len(flat)
        if in_place and len(flat) <= len(rows.rest):
            rows.rest[: len(flat)] = flat
            flat = rows.rest[: len(flat)]
        records = flat.reshape(count, stride)
        which = None if picks is None else np.array([i for i in sorted(picks) if i < count], np.int64)
        model += (records if which is None else records[which]).tolist()
        rows.take(records, which)
    width = max([stride for stride, *_ in parts], default=0)
    assert rows.data.tolist() == [row + [0] * (width - len(row)) for row in model]


def test_what_fits_is_not_copied() -> None:
    call = FakeCall()
    rows = RecordBuffer(call, 100)
    for _ in range(3):
        rows.rest[:30] = 7
        rows.take(rows.rest[:30].reshape(3, 10), None)
    assert rows.data.shape == (9, 10)
    assert call.leases == [100]
    assert np.shares_memory(rows.data, rows.memory)
