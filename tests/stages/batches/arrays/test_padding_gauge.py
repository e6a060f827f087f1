from __future__ import annotations

from typing import Any

import numpy as np

import flowload as fl
from flowload.abc.powers import Gauged
from flowload.abc.records import Numbers
from flowload.stages.batches.arrays.collate import Collate
from flowload.stages.batches.arrays.padding_gauge import PaddingGauge
from flowload.stages.rows.arrays import Count, CountedTable


class PaddedTable(CountedTable):
    """Row i holds i of ten places."""

    def padding(self, rows: Numbers) -> tuple[int, int]:
        return int(rows.sum()), 10 * len(rows)


class PaddedCount(Count):
    def open(self) -> PaddedTable:
        return PaddedTable(self.n)


def test_shares_add_up_over_batches() -> None:
    padding = PaddingGauge()
    assert padding.gauges() == {}
    padding.count(CountedTable(3), np.arange(3), {})
    assert padding.gauges() == {}
    table = PaddedTable(10)
    padding.count(table, np.array([0, 5]), {})
    padding.count(table, np.array([10]), {})
    assert padding.gauges() == {"padding_efficiency": 0.5}


def test_batch_shows_the_efficiency_of_its_own_rows() -> None:
    assert isinstance(Collate(None, None), Gauged)
    records: Any = PaddedCount(10)
    with (fl.rows(records) >> fl.batch(4)).iterate() as batches:
        assert sum(len(batch["index"]) for batch in batches) == 10
        stats = batches.stats()
    assert stats.stages["batch"].gauges == {"padding_efficiency": 0.45}
    assert "padding_efficiency" not in stats.stages["rows"].gauges
    assert stats.as_json()["stages"]["batch"]["gauges"] == {"padding_efficiency": 0.45}
