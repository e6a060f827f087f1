from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowload.kernels.chunks.window import draw, join

SIZE = 12
JOIN = st.tuples(st.just("join"), st.integers(0, SIZE - 1), st.integers(0, SIZE))
DRAW = st.tuples(st.just("draw"), st.integers(0, SIZE), st.integers(0, 999))


@given(actions=st.lists(JOIN | DRAW, max_size=20))
def test_the_window_equals_a_set(actions: list[tuple[str, int, int]]) -> None:
    pending, places = np.empty(SIZE, np.int64), np.full(SIZE, -1, np.int64)
    model: set[int] = set()
    for action, a, b in actions:
        if action == "join":
            more = min(b, SIZE - a)
            count = join(pending, places, len(model), a, more)
            model |= set(range(a, a + more))
        else:
            out = np.empty(min(a, len(model)), np.int64)
            which = np.array([b % (len(model) - i) for i in range(len(out))], np.int64)
            draw(out, pending, places, len(model), which)
            assert len(set(out.tolist())) == len(out)
            assert set(out.tolist()) <= model
            model -= set(out.tolist())
            count = len(model)
        assert count == len(model)
        assert set(pending[:count].tolist()) == model
        assert {slot for slot in range(SIZE) if places[slot] >= 0} == model
        assert all(pending[places[slot]] == slot for slot in model)


def test_what_is_drawn_is_what_the_numbers_say() -> None:
    pending, places = np.empty(4, np.int64), np.full(4, -1, np.int64)
    join(pending, places, 0, 0, 4)
    out = np.empty(3, np.int64)
    draw(out, pending, places, 4, np.array([1, 1, 1]))
    assert out.tolist() == [1, 3, 2]
