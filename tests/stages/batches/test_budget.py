"""Batches of as many rows as fit: complete, in order, none lost; dealt whole to ranks."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.abc.operators import Setting
from flowload.errors import DataError, GraphError, NoLength
from flowload.formats.molecules import PackedMolecules
from flowload.formats.molecules.table import MoleculeTable
from flowload.stages.batches.arrays.collate import Collate
from flowload.stages.batches.batch_by_budget import BudgetStage
from flowload.stages.batches.budget import Budget, CutByBudget
from flowload.stages.batches.in_turn import BatchRun
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.testing import check_resume, check_stage, drive
from tests.formats.molecules.packs import content, write
from tests.kernels.rows import naive_budget
from tests.runtime.ranks import run_ranks
from tests.stages.toy_rows import ToyRecords, ToyTable, blocks_of, numbers_of

TOY = ToyTable(ToyRecords(1))


def batches_of(graph: fl.Graph, key: str = "row", **how: Any) -> list[list[Any]]:
    with graph.iterate(**how) as batches:
        return [batch[key].tolist() for batch in batches]


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.sampled_from(["atoms", "edges"]),
    st.integers(6, 40),
    st.booleans(),
)
def test_batches_do_not_depend_on_blocks(blocks: list[int], by: str, limit: int, drop_last: bool) -> None:
    cut = CutByBudget(Budget(by, limit), drop_last=drop_last, tables=ReopenedTables(()))
    made = [list(numbers_of([block])) for block in drive([cut], blocks_of(blocks))]
    rows = np.arange(sum(blocks))
    demand = TOY.demand(by, rows)
    complete, rest = naive_budget.cut(
        demand.costs.tolist(), demand.kinds.tolist(), limit, padded=demand.padded
    )
    assert made == complete + ([] if drop_last else rest)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["atoms", "edges"])
def test_the_exam(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 9)
    limit: dict[str, Any] = {by: 12}
    for drop_last in (False, True):
        graph = fl.rows(ToyRecords(40)) >> fl.shuffle() >> fl.batch(**limit, drop_last=drop_last)
        made = Counter(numbers_of(check_stage(graph, epochs=3)))
        assert set(made.values()) <= {2, 3} if drop_last else made == dict.fromkeys(range(40), 3)
        assert check_resume(graph, epochs=3) > 10


@pytest.mark.parametrize("align", [False, True])
def test_it_goes_on_from_a_state(align: bool) -> None:
    graph = fl.rows(ToyRecords(43)) >> fl.shuffle() >> fl.batch(atoms=12)

    def given_with(stop: int | None, state: Any = None) -> tuple[list[list[int]], Any]:
        with graph.iterate(seed=3, epochs=3, align=align, state=state) as batches:
            numbers = range(999 if stop is None else stop)
            found = [batch["row"].tolist() for _, batch in zip(numbers, batches, strict=False)]
            return found, batches.state_dict()

    whole, _ = given_with(None)
    assert sorted(row for rows in whole for row in rows) == sorted([*range(43)] * 3)
    for stop in (1, 5, 12, 13, 20):
        begun, state = given_with(stop)
        assert begun + given_with(None, state)[0] == whole


def test_workers_and_cpus_change_nothing() -> None:
    rows = fl.rows(ToyRecords(400)) >> fl.shuffle()
    wanted = batches_of(rows >> fl.batch(atoms=24, workers=1), cpus=1)
    assert wanted == batches_of(rows >> fl.batch(atoms=24, workers=3), cpus=2)
    assert wanted != batches_of(rows >> fl.batch(atoms=24), seed=1)


def test_each_slot_has_one_shape(tmp_path: Path) -> None:
    path = write(tmp_path, content([1, 5, 2, 2, 6, 3, 1] * 30))
    rows = fl.rows(PackedMolecules(path, (2, 4, 6))) >> fl.shuffle()
    with (rows >> fl.batch(atoms=24, drop_last=True)).iterate(epochs=2) as batches:
        shapes = Counter(batch["Z"].shape for batch in batches)
        stats = batches.stats()
    assert set(shapes) == {(12, 2), (6, 4), (4, 6)}
    assert [stats.stages["batch"].gauges[f"batches_{slot}_atoms"] for slot in (2, 4, 6)] == [
        shapes[24 // slot, slot] for slot in (2, 4, 6)
    ]
    lost = 2 * 7 * 30 - sum(count * rows for (rows, _), count in shapes.items())
    assert stats.stages["batch"].dropped == ({"partial batch": lost} if lost else {})


def test_without_slots_a_batch_is_as_wide_as_its_largest(tmp_path: Path) -> None:
    path = write(tmp_path, content([1, 5, 2, 2, 6, 3, 1] * 5))
    rows = fl.rows(PackedMolecules(path)) >> fl.shuffle() >> fl.bucket(35)
    with (rows >> fl.batch(atoms=18)).iterate() as batches:
        shapes = [batch["Z"].shape for batch in batches]
    assert sum(count for count, _ in shapes) == 35
    assert all(count * width <= 18 for count, width in shapes)
    for (count, _), (_, wider) in pairwise(shapes):
        assert (count + 1) * wider > 18  # one more would not have fitted


def test_bad_molecules_leave_a_gap(tmp_path: Path) -> None:
    arrays = content([2] * 20)
    arrays["E.f64"][3] = np.nan
    graph = fl.rows(PackedMolecules(write(tmp_path, arrays), (2,)))
    with pytest.raises(DataError, match="molecule 3, byte 24: not finite"):
        batches_of(graph >> fl.batch(atoms=10), "E")
    found = batches_of(graph >> fl.batch(atoms=10, on_error="skip"), "E")
    assert [len(energies) for energies in found] == [4, 5, 5, 5]
    assert np.concatenate(found).tolist() == np.delete(arrays["E.f64"], 3).tolist()


def test_batches_that_go_together_are_written_by_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, content([1, 5, 2, 2, 6, 3, 1] * 60))
    calls: list[int] = []
    inner = MoleculeTable.write_cut

    def counted(self: Any, layout: str, picks: Any, borders: Any, *rest: Any) -> Any:
        calls.append(len(borders) - 1)
        return inner(self, layout, picks, borders, *rest)

    monkeypatch.setattr(MoleculeTable, "write_cut", counted)
    graph = fl.rows(PackedMolecules(path, (2, 4, 6))) >> fl.shuffle() >> fl.batch(atoms=24)
    together = batches_of(graph, "E")
    assert sum(calls) == len(together)
    assert max(calls) > 20
    monkeypatch.delattr(MoleculeTable, "write_cut")  # a table that cannot: a call for each
    monkeypatch.setattr(Collate, "varied", lambda *_: None)  # nor several of one size: a call for each
    assert batches_of(graph, "E") == together


def test_what_is_left_of_a_run_of_batches() -> None:
    (block,) = blocks_of([10])
    run = BatchRun(block, np.array([0, 3, 4, 10]))
    assert (len(run), run.batch_sizes()) == (10, (3, 1, 6))
    rest = run.without(1)
    assert (len(rest), rest.batch_sizes(), list(numbers_of([rest.part]))) == (7, (1, 6), list(range(3, 10)))
    assert [list(numbers_of(list(parts.parts))) for parts in rest.batches()] == [[3], list(range(4, 10))]


def test_a_row_that_is_too_much_by_itself() -> None:
    rows = fl.rows(ToyRecords(20))
    with pytest.raises(DataError, match="toy row 2: too large for a batch; found 6 atoms; wanted at most"):
        batches_of(rows >> fl.batch(atoms=4))
    graph = rows >> fl.batch(atoms=4, on_error="skip")
    with graph.iterate() as batches:
        kept = [row for batch in batches for row in batch["row"].tolist()]
        assert batches.stats().stages["batch"].dropped == {"too large for a batch": 20 - len(kept)}
    assert sorted(kept) == [row for row in range(20) if TOY.sizes(np.array([row]))[0] <= 4]


def test_its_length() -> None:
    rows = fl.rows(ToyRecords(43)) >> fl.shuffle()
    for drop_last in (False, True):
        graph = rows >> fl.batch(atoms=24, drop_last=drop_last)
        assert len(graph) == len(batches_of(graph))
    parts = rows >> fl.split(a=0.5, b=0.5)
    half = fl.rows(ToyRecords(43)) >> fl.split(a=0.5, b=0.5)
    assert len(half.drop("b") >> fl.batch(atoms=24)) == len(batches_of(half.drop("b") >> fl.batch(atoms=24)))
    assert len(parts.drop("b") >> fl.batch(atoms=24)) > 0
    with pytest.raises(NoLength, match="edges=24 makes depends on the order of rows"):
        len(rows >> fl.batch(edges=24))


# --- ranks ------------------------------------------------------------------------------------------


def ranked(world: int, **how: Any) -> list[tuple[Any, Any]]:
    def graph(rank: int) -> fl.Graph:
        return fl.rows(ToyRecords(403)) >> fl.shuffle() >> fl.shard(rank, world) >> fl.batch(**how)

    return run_ranks(graph, world, lambda run: [batch["row"].tolist() for batch in run], epochs=2)


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("how", [{"atoms": 24}, {"edges": 24}, {"atoms": 24, "drop_last": True}])
def test_ranks_are_dealt_whole_batches_as_many_to_each(world: int, how: dict[str, Any]) -> None:
    found = ranked(world, **how)
    counts = {len(batches) for batches, _ in found}
    assert len(counts) == 1
    alone = batches_of(fl.rows(ToyRecords(403)) >> fl.shuffle() >> fl.batch(**how), epochs=2)
    turns = counts.pop()
    assert turns == len(alone) // world
    for rank, (batches, stats) in enumerate(found):
        assert batches == alone[rank : turns * world : world]
        shard = stats.stages["shard"]
        assert sum(shard.dropped.values()) + shard.out == shard.in_ == 2 * 403
        assert "equal_ranks" not in stats.stages  # nobody had to agree on anything


def test_ranks_are_equal_in_every_pass_that_is_kept_apart() -> None:
    def graph(rank: int) -> fl.Graph:
        return fl.rows(ToyRecords(43)) >> fl.shuffle() >> fl.shard(rank, 3) >> fl.batch(atoms=12)

    def epochs(run: Any) -> list[int]:
        return [run.epoch for _ in run]

    found = [seen for seen, _ in run_ranks(graph, 3, epochs, epochs=4, align=True)]
    assert found[0] == found[1] == found[2]
    assert set(found[0]) == {0, 1, 2, 3}
    assert len({found[0].count(epoch) for epoch in range(4)}) == 1  # as many sizes in every pass


@pytest.mark.slow
def test_a_dealt_graph_knows_its_length_and_goes_on_from_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = fl.rows(ToyRecords(403)) >> fl.shuffle()
    for even in (True, False):
        graph = rows >> fl.shard(1, 3, even=even) >> fl.batch(atoms=24)
        assert len(graph) == len(batches_of(graph, even="allow"))
    monkeypatch.setattr("flowload.stages.rows.rows.BLOCK", 9)
    graph = fl.rows(ToyRecords(103)) >> fl.shard(1, 3) >> fl.batch(atoms=24)
    assert check_resume(graph) > 20
    assert check_stage(graph)


def test_other_places_of_the_shard_are_told() -> None:
    stage = BudgetStage(budget=Budget("atoms", 24))
    far = fl.rows(ToyRecords(40)) >> fl.shard(0, 2) >> fl.bucket(10) >> fl.place(stage)
    with pytest.raises(GraphError, match=r"put shard\(\) directly before batch\(\)"):
        batches_of(far)
    assert stage.uneven(Setting(seed=0, epochs=1, cpus=1)) is not None


# --- what cannot be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "batch: nothing given; wanted one of size, atoms, edges"),
        ({"size": 3, "atoms": 4}, "batch: size and atoms given"),
        ({"atoms": 3, "edges": 4}, "batch: atoms and edges given"),
        ({"atoms": 0}, "batch: atoms is 0; wanted a number from 1"),
        ({"edges": 2.5}, "batch: edges is 2.5"),
        ({"atoms": True}, "batch: atoms is True"),
        ({"atoms": 4, "drop_last": 1}, "batch: drop_last is 1"),
        ({"atoms": 4, "layout": 1}, "batch: layout is 1"),
    ],
)
def test_bad_parameters_are_named(how: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        fl.batch(**how)


def test_what_has_no_budget() -> None:
    with pytest.raises(
        GraphError, match=r"batch: CountedTable has no budget 'atoms'; it has none; use batch"
    ):
        batches_of(fl.rows(10) >> fl.batch(atoms=4), "index")
    with pytest.raises(GraphError, match="batch"):
        fl.rows(10) >> fl.batch(2) >> fl.batch(atoms=4)


def test_it_is_printed_as_it_was_said() -> None:
    assert "batch  atoms=24" in str(fl.rows(ToyRecords(4)) >> fl.batch(atoms=24))


def test_memory_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, content([2, 6] * 20))
    small, large = (
        (fl.rows(PackedMolecules(path, (2, 6))) >> fl.batch(atoms=limit)).memory(cpus=1)["batch"]
        for limit in (60_000, 600_000)
    )
    assert large > small >= 5 * 60_000 * 28


# --- several batches as one block -------------------------------------------------------------------


def test_batches_go_on_together_and_are_the_same(tmp_path: Path) -> None:
    arrays = content([1, 5, 2, 2, 6, 3, 1] * 30)
    arrays["E.f64"] = np.arange(210.0)
    rows = fl.rows(PackedMolecules(write(tmp_path, arrays), (2, 6))) >> fl.shuffle()
    together = rows >> fl.batch(atoms=24)
    apart = together >> fl.filter(lambda batch: np.ones(len(batch["E"]), bool))  # takes no bundles
    with together.iterate() as batches:
        found = [batch["E"].tolist() for batch in batches]
        blocks = batches.stats().stages["batch"].blocks_out
    assert found == batches_of(apart, "E")
    assert blocks < len(found)


def test_of_several_together_one_may_be_bad(tmp_path: Path) -> None:
    arrays = content([6] * 30)
    path = write(tmp_path, arrays)
    records = PackedMolecules(path, 6, "real", edges=61)  # two molecules have 60 pairs, three have 90
    with pytest.raises(DataError, match="more pairs than there is room for; found 90 pairs"):
        batches_of(fl.rows(records) >> fl.batch(atoms=18), "E")
    arrays["E.f64"][[0, 1, 2, 7]] = np.nan
    graph = fl.rows(PackedMolecules(write(tmp_path, arrays), 6)) >> fl.batch(atoms=18, on_error="skip")
    with graph.iterate() as batches:
        sizes = [len(batch["E"]) for batch in batches]
        dropped = batches.stats().stages["batch"].dropped
    assert sizes == [3, 2, *[3] * 7]  # of the first nothing is left
    assert sum(dropped.values()) == 4
