"""All rows of a pass, each once, in an order that no other pass, seed or stage has."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Mark, Setting
from flowload.blocks import Rows
from flowload.stages.rows import shuffle as module
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.selection import PermutedRows, RowList, RowRange
from flowload.stages.rows.shuffle import ShuffleStage, drawn, shuffle
from flowload.testing import check_resume, check_stage, drive
from flowload.testing.call import PlainCall
from tests.stages.toy_rows import ToyRecords, blocks_of, numbers_of, passes_of

SETTING = Setting(seed=0, epochs=1, cpus=1)


def order_of(sizes: list[int], seed: int = 0, name: str = "shuffle", passes: int = 1) -> list[list[int]]:
    """Row numbers of each pass."""
    words = passes_of(blocks_of(sizes), passes)
    made = list(numbers_of(drive([module.Shuffle(tables=ReopenedTables(()))], words, seed=seed, name=name)))
    orders: list[list[int]] = np.array(made).reshape(passes, -1).tolist()
    return orders


@pytest.mark.parametrize("exact", [1 << 16, 0])
@pytest.mark.parametrize("sizes", [[1], [2], [1, 1, 1], [40, 1, 59], [1000, 24, 976], [300] * 5])
def test_every_row_once_in_every_pass(exact: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXACT", exact)
    orders = order_of(sizes, passes=3)
    for order in orders:
        assert sorted(order) == list(range(sum(sizes)))
    if sum(sizes) > 50:
        assert len({tuple(order) for order in orders}) == 3


def test_the_order_depends_on_seed_and_stage_and_not_on_blocks() -> None:
    order = list(order_of([2000])[0])
    assert list(order_of([700, 1, 1299])[0]) == order
    assert list(order_of([2000], seed=1)[0]) != order
    assert list(order_of([2000], name="other")[0]) != order


@pytest.mark.slow
def test_every_order_of_a_small_set_is_equally_likely() -> None:
    """24 orders of 4 rows over 4800 seeds: chi-square with 23 degrees of freedom, once in a million 71."""
    found = Counter(tuple(order_of([4], seed=seed)[0]) for seed in range(4800))
    assert set(found) == set(itertools.permutations(range(4)))
    assert sum((count - 200) ** 2 / 200 for count in found.values()) < 71


def test_above_the_limit_nothing_is_held() -> None:
    call = PlainCall((1, 2), 0)
    few, many = (
        drawn(RowRange(0, module.EXACT), call.rng(0)),
        drawn(RowRange(0, module.EXACT + 1), call.rng(0)),
    )
    assert isinstance(few, RowList)
    assert isinstance(many, PermutedRows)
    assert many.nbytes < 100
    assert sorted(many.array().tolist()) == list(range(module.EXACT + 1))


@pytest.mark.slow
@pytest.mark.parametrize("exact", [1 << 16, 0])
def test_the_exam(exact: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXACT", exact)
    monkeypatch.setattr(module, "EMIT", 7)
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 6)
    assert sum(map(len, check_stage(shuffle(), passes_of(blocks_of([5, 9, 1, 6]), 3)))) == 63
    for part in (None, [3, 1, 4, 1, 5, 9, 2, 6], [7]):
        graph = fl.rows(ToyRecords(21), indices=part) >> shuffle()
        assert check_stage(graph, epochs=3)
        assert check_resume(graph, epochs=3) >= 7


@pytest.mark.slow
def test_a_whole_graph_can_go_on_from_every_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 10)
    monkeypatch.setattr(module, "EMIT", 12)
    graph = fl.rows(ToyRecords(47, bad=(3, 4))) >> shuffle() >> fl.bucket(20) >> fl.batch(8, layout="padded")
    made = check_stage(graph, epochs=3)
    assert Counter(numbers_of(made)) == dict.fromkeys(set(range(47)) - {3, 4}, 3)
    assert check_resume(graph, epochs=3) > 10


def test_rows_go_on_with_their_records() -> None:
    records = ToyRecords(10)
    (made,) = drive(ShuffleStage().open(SETTING), [*blocks_of([10], records), Mark.EPOCH])
    assert isinstance(made, Rows)
    assert made.records is records


def test_the_memory_of_a_shuffle_is_a_constant() -> None:
    assert ShuffleStage().memory(SETTING) == 8 << 16
