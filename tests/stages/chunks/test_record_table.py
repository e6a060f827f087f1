from __future__ import annotations

import sys

import numpy as np
import pytest

from flowload.stages.chunks.record_table import RecordTable


@pytest.mark.parametrize("in_place", [sys.platform == "linux", False])
def test_what_it_holds_survives_growth_and_longer_rows(in_place: bool) -> None:
    slots = RecordTable(50_000, in_place=in_place)
    model = np.empty((0, 0), np.uint8)
    for count, stride in [(3, 5), (1000, 5), (1001, 5), (1001, 8), (20_000, 8), (50_000, 8)]:
        slots.reserve(count, stride, len(model))
        assert count <= len(slots.rows) <= 50_000
        assert slots.rows.shape[1] == slots.stride == stride
        wider = np.zeros((count, stride), np.uint8)
        wider[: len(model), : model.shape[1]] = model
        assert (slots.rows[: len(model)] == wider[: len(model)]).all()
        assert slots.origin["record"][: len(model)].tolist() == list(range(len(model)))
        model = np.random.default_rng(count).integers(0, 256, (count, stride), dtype=np.uint8)
        slots.rows[:count] = model
        slots.origin["record"][:count] = np.arange(count)


def test_shorter_records_need_no_new_rows() -> None:
    slots = RecordTable(100)
    slots.reserve(10, 8, 0)
    before = slots.rows
    slots.reserve(10, 5, 10)
    assert slots.rows is before


def test_close_gives_the_memory_back() -> None:
    slots = RecordTable(100)
    slots.reserve(100, 8, 0)
    slots.close()
    assert slots.memory is None
    assert slots.rows.nbytes == slots.origin.nbytes == 0
