from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

import flowload as fl
from flowload.abc.operators import Setting
from flowload.blocks import Rows
from flowload.errors import DataError, GraphError
from flowload.graph import Stage
from flowload.stages.rows.reopened_tables import ReopenedTables, open_table, own_records
from flowload.stages.rows.selection import RowRange
from tests.stages.toy_rows import ToyRecords, ToyTable

NEAR, FAR = ToyRecords(3), ToyRecords(4)


@dataclass(frozen=True, kw_only=True)
class Holding(Stage):
    word: ClassVar[str] = "holding"
    records: Any = None


def test_records_upstream_nearest_first() -> None:
    stages = (Stage(), Holding(records=NEAR), Holding(records="text"), Holding(records=FAR))
    setting = Setting(seed=0, epochs=1, cpus=1, upstream=stages)
    assert own_records(setting) == [NEAR, FAR]
    assert ReopenedTables.before(setting).known == [NEAR, FAR]


def test_a_table_near_by_is_used() -> None:
    tables = ReopenedTables([NEAR, FAR])
    block = Rows(FAR.open(), RowRange(0, 4), FAR)
    assert tables.number(block) == 1
    made = tables.block(1, RowRange(2, 3), block)
    assert made.table is block.table
    assert (made.picks, made.records) == (RowRange(2, 3), FAR)
    assert not tables.opened


def test_another_is_opened_once_and_closed() -> None:
    tables = ReopenedTables([NEAR, FAR])
    block = Rows(FAR.open(), RowRange(0, 4), FAR)
    made = tables.block(0, RowRange(0, 3), block)
    assert made.records is NEAR
    assert isinstance(made.table, ToyTable)
    assert tables.block(0, RowRange(0, 1), None).table is made.table
    tables.close()
    tables.close()
    assert made.table.closed == 1


def test_rows_without_records_are_those_of_the_nearest() -> None:
    assert ReopenedTables([NEAR]).number(Rows(NEAR.open(), RowRange(0, 1))) == 0
    with pytest.raises(GraphError, match="no stage upstream has their records"):
        ReopenedTables(()).block(0, RowRange(0, 1), None)


class Unreadable(ToyRecords):
    """Records whose file the system refuses."""

    def open(self) -> ToyTable:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), "/data/rows")


def test_what_the_system_says_when_records_are_opened_is_bad_data() -> None:
    with pytest.raises(DataError, match="/data/rows: vanished; found Stale file handle"):
        open_table(Unreadable(5))
    graph = fl.rows(Unreadable(5)) >> fl.batch(2)
    with pytest.raises(DataError, match="/data/rows: vanished"), graph.iterate() as run:
        next(run)
