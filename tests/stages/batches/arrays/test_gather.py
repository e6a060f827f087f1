"""References become the arrays of a batch, once, in the memory that the run leases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.blocks import Batch, Rows
from flowload.errors import GraphError
from flowload.stages.batches.arrays.collate import BatchParts, Collate
from flowload.stages.batches.arrays.gather import by_table, check_layout, gathered
from flowload.stages.batches.arrays.padding_gauge import PaddingGauge
from flowload.stages.rows.selection import RowRange
from tests.stages.fakes import FakeCall
from tests.stages.toy_rows import ToyRecords, blocks_of, numbers_of


def encoded(parts: list[Rows], layout: str | None = None, call: FakeCall | None = None) -> Batch | None:
    made = Collate(layout, None).apply(BatchParts(tuple(parts)), call or FakeCall())
    assert isinstance(made, Batch | None)
    return made


def test_parts_of_one_table_are_one_list() -> None:
    records = ToyRecords(10)
    one, two = blocks_of([4, 6], records), blocks_of([5], ToyRecords(5))
    again = Rows(records.open(), RowRange(0, 2), records)  # another table of the same records
    found = [(len(table), rows.tolist()) for table, rows in by_table([*one, *two, again])]
    assert found == [(10, list(range(10))), (5, [0, 1, 2, 3, 4]), (10, [0, 1])]
    assert [rows.tolist() for _, rows in by_table([*one, again])] == [[*range(10), 0, 1]]


def test_one_lease_a_batch_and_every_array_on_a_cache_line() -> None:
    call = FakeCall()
    batch = encoded(blocks_of([3, 4]), "padded", call)
    assert batch is not None
    assert len(call.leases) == 1
    assert sum(-(-array.nbytes // 64) * 64 for array in batch.arrays.values()) == call.leases[0]
    for array in batch.arrays.values():
        assert array.ctypes.data % 64 == 0
    assert batch.arrays["row"].tolist() == list(range(7))
    assert batch.arrays["body"].sum() == batch.whole["total"][0]
    assert batch.deliver().keys() == {"row", "body", "total"}


def test_rows_that_cannot_be_delivered_are_counted() -> None:
    call = FakeCall()
    records = ToyRecords(9, bad=(0, 4, 8))
    batch = encoded(blocks_of([4, 5], records), "padded", call)
    assert list(numbers_of([batch])) == [1, 2, 3, 5, 6, 7]
    assert call.drops == {"bad row": 3}
    assert encoded(blocks_of([1], ToyRecords(9, bad=(0,))), call=call) is None
    graph = fl.rows(records) >> fl.batch(4)
    with graph.iterate() as run:
        assert [batch["row"].tolist() for batch in run] == [[1, 2, 3, 5], [6, 7]]
    stats = run.stats().stages["batch"]
    assert (stats.in_, stats.out, stats.dropped, stats.held) == (9, 6, {"bad row": 3}, 0)


def test_rows_of_several_records_share_a_batch() -> None:
    heads = [fl.rows(ToyRecords(3)), fl.rows(ToyRecords(4))]
    with (heads >> fl.merge() >> fl.batch(5)).iterate() as run:
        assert [batch["row"].tolist() for batch in run] == [[0, 1, 2, 0, 1], [2, 3]]


def test_but_not_where_arrays_go_with_all_samples_together() -> None:
    with pytest.raises(GraphError, match="cannot be cut or joined: 'total' go with all of its samples"):
        encoded([*blocks_of([3]), *blocks_of([4])], "padded")


def test_layouts() -> None:
    assert check_layout("toy", ("a", "b"), None) == "a"
    assert check_layout("toy", ("a", "b"), "b") == "b"
    with pytest.raises(GraphError, match="batch: toy has no layout 'c'; it has 'a', 'b'"):
        check_layout("toy", ("a", "b"), "c")
    with pytest.raises(GraphError, match="batch: toy has no layout 'c'; it has 'plain', 'padded'"):
        (fl.rows(ToyRecords(3)) >> fl.batch(5, layout="c")).iterate().__enter__()


def test_a_device_prepares_the_memory() -> None:
    class Lock:
        def register(self, memory: Any) -> None: ...

        def unregister(self, memory: Any) -> None: ...

    call, lock = FakeCall(), Lock()
    table = ToyRecords(5).open()
    batch = gathered(table, np.array([4, 0]), None, lock, PaddingGauge(), call)
    assert isinstance(batch, Batch)
    assert batch.arrays["row"].tolist() == [4, 0]
    assert call.devices == [lock]
