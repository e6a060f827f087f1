from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import GraphError
from flowload.stages.windows.epoch_plan import epoch_plan

ONE = st.integers(1, 300)


@pytest.mark.parametrize(
    ("rows", "size", "batch", "passes", "plan"),
    [
        (65_536, 16_384, 128, 1, (512, 4, 128)),
        (65_536, 16_384, 100, 2, (1310, 8, 163)),
        (1000, 4096, 64, 3, (45, 3, 15)),
        (4096, 4096, 64, 1, (64, 1, 64)),
        (10, 10, 10, 1, (1, 1, 1)),
    ],
)
def test_epochs_that_were_counted_by_hand(
    rows: int, size: int, batch: int, passes: int, plan: tuple[int, int, int]
) -> None:
    assert epoch_plan(rows, size, batch, passes) == plan


@given(rows=ONE, size=ONE, batch=ONE, passes=st.integers(1, 5))
def test_a_plan_is_the_arithmetic_or_an_error(rows: int, size: int, batch: int, passes: int) -> None:
    batches = (rows // batch) * passes
    per_chunk = (rows if rows < size else size) // batch
    chunks = passes if rows < size else batches // per_chunk if per_chunk else 0
    if batches and per_chunk and chunks:
        assert epoch_plan(rows, size, batch, passes) == (batches, chunks, per_chunk)
    else:
        with pytest.raises(GraphError, match=r"lower|raise"):
            epoch_plan(rows, size, batch, passes)


@pytest.mark.parametrize(
    ("numbers", "advice"),
    [
        ((50, 200, 64, 1), "lower batch to at most 50"),
        ((500, 200, 256, 1), "raise size to at least 256, or lower batch"),
        ((0, 10, 1, 1), "rows is 0"),
        ((10, 10, 1, True), "passes is True"),
        ((10, 2.5, 1, 1), "size is 2.5"),
    ],
)
def test_an_error_says_which_number_to_change(numbers: tuple[int, int, int, int], advice: str) -> None:
    with pytest.raises(GraphError, match=advice):
        epoch_plan(*numbers)


def test_what_is_advised_works() -> None:
    with pytest.raises(GraphError, match="lower batch to at most 50"):
        epoch_plan(50, 200, 64)
    assert epoch_plan(50, 200, 50).chunks_per_epoch == 1
    with pytest.raises(GraphError, match="raise size to at least 256"):
        epoch_plan(500, 200, 256)
    assert epoch_plan(500, 256, 256).batches_per_chunk == 1
