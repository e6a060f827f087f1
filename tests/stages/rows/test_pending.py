from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.errors import GraphError
from flowload.stages.rows.pending import PendingRows
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.selection import RowList, RowRange
from tests.stages.toy_rows import ToyRecords, blocks_of, numbers_of
from tests.states import through_json, to_values


@given(st.lists(st.integers(1, 3), min_size=1, max_size=150), st.integers(0, 149), st.booleans())
def test_everything_in_order_and_from_every_cut(sizes: list[int], cut: int, odd: bool) -> None:
    records = ToyRecords(sum(sizes))
    waiting = PendingRows("toy", ReopenedTables([records]))
    wanted: list[int] = []
    for k, whole in enumerate(blocks_of(sizes, records)):
        block = whole.select(np.array([0])) if odd else whole
        waiting.add(block)
        wanted += numbers_of([block])
        assert len(waiting) == len(wanted)
        if k == cut:
            again = PendingRows("toy", ReopenedTables([records]))
            again.restore(through_json(waiting.state()))
            assert to_values(again.state()) == to_values(waiting.state())
            waiting = again
    made = waiting.take()
    assert list(numbers_of([made])) == wanted
    assert made.records is records
    assert odd or isinstance(made.picks, RowRange)
    assert (len(waiting), waiting.state()) == (0, None)


def test_neighbouring_ranges_take_no_memory_and_lists_four_bytes() -> None:
    blocks = blocks_of([100] * 300)
    spans, lists = PendingRows("toy", ReopenedTables(())), PendingRows("toy", ReopenedTables(()))
    for block in blocks:
        spans.add(block)
        lists.add(block.select(slice(None, None, -1)))
    assert spans.take().nbytes < 100
    made = lists.take()
    assert isinstance(made.picks, RowList)
    assert made.nbytes == 4 * 30_000


def test_rows_of_two_tables_do_not_go_together() -> None:
    waiting = PendingRows("toy", ReopenedTables(()))
    waiting.add(*blocks_of([3]))
    with pytest.raises(GraphError, match="toy: rows of different records come together here; use it before"):
        waiting.add(*blocks_of([3]))
    waiting.take()
    waiting.add(*blocks_of([3]))  # one behind the other is no harm


def test_two_tables_of_the_same_records_do() -> None:
    records = ToyRecords(3)
    waiting = PendingRows("toy", ReopenedTables([records]))
    waiting.add(*blocks_of([3], records))
    waiting.add(*blocks_of([3], records))
    assert list(numbers_of([waiting.take()])) == [0, 1, 2] * 2


def test_a_restored_one_knows_whose_rows_it_holds() -> None:
    near, far = ToyRecords(3), ToyRecords(4)
    saved = PendingRows("toy", ReopenedTables([near, far]))
    saved.add(*blocks_of([4], far))
    again = PendingRows("toy", ReopenedTables([near, far]))
    again.restore(saved.state())
    with pytest.raises(GraphError, match="different records"):
        again.add(*blocks_of([3], near))
    assert again.take().records is far


def test_a_state_without_its_records() -> None:
    saved = PendingRows("toy", ReopenedTables(()))
    saved.add(*blocks_of([4]))
    again = PendingRows("toy", ReopenedTables(()))
    again.restore(saved.state())
    with pytest.raises(GraphError, match="no stage upstream has their records"):
        again.take()
