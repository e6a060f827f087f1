from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.stages.batches.arrays.buffer_layout import batch_bytes, split_lease

FIELDS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.tuples(
        st.lists(st.integers(0, 5), max_size=3).map(tuple),
        st.sampled_from(["u1", "?", "f4", "i8", "f8"]).map(np.dtype),
    ),
    min_size=1,
    max_size=5,
)


@given(FIELDS, st.integers(1, 20))
def test_arrays_lie_behind_each_other_on_cache_lines(fields: Any, size: int) -> None:
    memory = np.zeros(batch_bytes(fields, size) + 64, np.uint8)
    lease = memory[-memory.ctypes.data % 64 :][: batch_bytes(fields, size)]
    arrays = split_lease(lease, fields, size)
    assert list(arrays) == list(fields)
    for number, (key, (shape, dtype)) in enumerate(fields.items(), start=1):
        assert (arrays[key].shape, arrays[key].dtype) == ((size, *shape), dtype)
        assert arrays[key].ctypes.data % 64 == 0
        arrays[key].view(np.uint8)[...] = number
    for number, key in enumerate(fields, start=1):
        assert (arrays[key].view(np.uint8) == number).all()  # none overlaps another
