"""Arrays of the user's as records."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.records import LayoutRecords, LayoutTable
from flowload.errors import GraphError
from flowload.stages.rows.arrays import Arrays, Count
from tests.stages.fakes import FakeCall

X = np.arange(20, dtype=np.float32).reshape(10, 2)


def batches(records: Any, **options: Any) -> list[dict[str, Any]]:
    with (fl.rows(records) >> fl.batch(4, **options)).iterate() as run:
        return list(run)


def test_rows_go_together() -> None:
    made = batches({"x": X, "y": np.arange(10), "big": X.astype(">f8"), "back": X[::-1]})
    assert [len(batch["x"]) for batch in made] == [4, 4, 2]
    whole = {key: np.concatenate([batch[key] for batch in made]) for key in made[0]}
    assert whole["x"].dtype == np.float32
    assert whole["big"].dtype.isnative
    np.testing.assert_array_equal(whole["x"], X)
    np.testing.assert_array_equal(whole["big"], X)
    np.testing.assert_array_equal(whole["back"], X[::-1])
    np.testing.assert_array_equal(whole["y"], np.arange(10))


def test_a_number_of_rows_gives_the_numbers() -> None:
    found = batches(10)
    assert [batch["index"].tolist() for batch in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert found[0]["index"].dtype == np.int64


def test_a_map_may_look_them_up() -> None:
    graph = fl.rows(10) >> fl.shuffle() >> fl.batch(4) >> fl.map(lambda batch: {"x": X[batch["index"]]})
    with graph.iterate(seed=3) as run:
        found = np.concatenate([batch["x"] for batch in run])
    assert not np.array_equal(found, X)
    np.testing.assert_array_equal(found[np.argsort(found[:, 0])], X)


@pytest.mark.parametrize("records", [Arrays({"x": X}), Count(10)])
def test_the_agreements(records: LayoutRecords) -> None:
    table = records.open()
    assert isinstance(records, LayoutRecords)
    assert isinstance(table, LayoutTable)
    assert len(table) == 10
    assert table.layouts == records.layouts
    rows = np.array([3, 3])
    assert table.fields(table.layouts[0], rows) == records.fields(records.layouts[0])
    assert table.usable(rows, FakeCall()) is rows
    assert table.describe(3) == "row 3"
    assert repr(records) in ("Arrays(x)", "Count(n=10)")
    assert len(pickle.loads(pickle.dumps(records)).open()) == 10
    table.close()


def test_memory_is_known_before_the_run() -> None:
    graph = fl.rows({"x": X}) >> fl.batch(1 << 20)
    assert graph.memory(cpus=2)["batch"] == (2 + 5) * (8 << 20)
    both = [fl.rows(5), fl.rows({"x": X})] >> fl.merge() >> fl.batch(1 << 20, workers=1)
    assert both.memory()["batch"] == 6 * (8 << 20)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "found none"),
        ({"x": X, "y": np.zeros(9)}, r"found x \[10\], y \[9\]"),
        ({"x": np.float32(3)}, r"found x \[\]"),
        ({"x": np.zeros((0, 4))}, "the arrays have no rows"),
    ],
)
def test_arrays_that_do_not_go_together(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        fl.rows(arrays)


def test_unknown_layouts() -> None:
    with pytest.raises(GraphError, match="batch: arrays has no layout 'tensors'; it has 'arrays'"):
        batches({"x": X}, layout="tensors")
    with pytest.raises(GraphError, match="batch: numbers has no layout 'tensors'; it has 'numbers'"):
        batches(10, layout="tensors")
