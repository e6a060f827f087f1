from __future__ import annotations

import logging
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import flowload as fl
from flowload.errors import DataError, GraphError
from flowload.formats.molecules import PackedMolecules
from flowload.testing import check_records
from tests.formats.molecules import packs as naive
from tests.formats.molecules.test_packed import SIZES, batches_of, check

Arrays = dict[str, NDArray[Any]]


def padded(pairs: naive.Content, capacity: int, last: int) -> Arrays:
    """Pairs with what is behind them, and which of them are there."""
    count = len(pairs["dst_idx"])
    made = {key: np.full(capacity, last, np.int32) for key in pairs}
    for key, array in pairs.items():
        made[key][:count] = array
    return {**made, "edge_mask": np.arange(capacity) < count}


@pytest.mark.slow
@given(
    sizes=SIZES,
    batch=st.integers(1, 9),
    capacities=st.sets(st.integers(1, 300), max_size=2),
    cutoff=st.none() | st.sampled_from([0.5, 3.0]),
    layout=st.sampled_from(["physnet", "masked"]),
)
def test_batches_are_those_of_numpy(
    sizes: list[int], batch: int, capacities: set[int], cutoff: float | None, layout: str
) -> None:
    arrays = naive.content(sizes, seed=len(sizes))
    known = sorted(capacities | {9 * 30})
    with tempfile.TemporaryDirectory() as folder:
        path = naive.write(Path(folder), arrays)
        records = PackedMolecules(path, 6, "real", cutoff, edges=tuple(known))
        with (fl.rows(records) >> fl.batch(batch, layout=layout)).iterate() as batches:
            found = [{key: np.array(array) for key, array in one.items()} for one in batches]
            gauges = batches.stats().stages["batch"].gauges
    widths, counts = [], []
    for start, one in zip(range(0, len(sizes), batch), found, strict=True):
        rows = range(len(sizes))[start : start + batch]
        pairs = naive.pair_lists(arrays, rows, 6, "real", cutoff)
        widths.append(next(width for width in known if width >= len(pairs["dst_idx"])))
        counts.append(len(pairs["dst_idx"]))
        wanted = (naive.masked if layout == "masked" else naive.physnet)(arrays, rows, 6)
        check(one, {**wanted, **padded(pairs, widths[-1], 6 * len(rows) - 1)})
        assert (np.diff(one["dst_idx"]) >= 0).all()
    for width in known:
        if width in widths:
            own = [count for count, each in zip(counts, widths, strict=True) if each == width]
            assert gauges[f"batches_{width}_edges"] == len(own)
            assert gauges[f"padding_efficiency_{width}_edges"] == pytest.approx(sum(own) / width / len(own))


def test_more_pairs_than_there_is_room_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    arrays = naive.content([4, 3, 1, 4])
    arrays["R_pack.f32"][:] = np.arange(12)[:, None] ** 2 * 0.1
    path = naive.write(tmp_path, arrays)
    full = batches_of(fl.rows(PackedMolecules(path, 4, "real")) >> fl.batch(2))
    with pytest.raises(DataError, match=r"a batch of 2 molecules, the first 0: more pairs than .* found 18"):
        batches_of(fl.rows(PackedMolecules(path, 4, "real", edges=13)) >> fl.batch(2))
    records = PackedMolecules(path, 4, "real", edges=13, too_many_edges="cut")
    graph = fl.rows(records) >> fl.batch(2)
    with caplog.at_level(logging.WARNING, logger="flowload"), graph.iterate() as batches:
        first, second = ({key: np.array(array) for key, array in one.items()} for one in batches)
        assert batches.stats().stages["batch"].missing == 2  # molecules that lack some
    assert "more pairs than there is room for" in caplog.text
    for one, whole in ((first, full[0]), (second, full[1])):
        places = whole["R"].reshape(-1, 3)
        far = np.linalg.norm(places[whole["dst_idx"]] - places[whole["src_idx"]], axis=1)
        limit = np.sort(far)[13] if len(far) > 13 else np.inf
        mask = one["edge_mask"]
        for key in ("dst_idx", "src_idx"):
            assert one[key][mask].tolist() == whole[key][far < limit].tolist()
            assert (one[key][~mask] == 7).all()
        assert len(mask) == 13


def test_a_batch_with_too_many_may_be_dropped(tmp_path: Path) -> None:
    path = naive.write(tmp_path, naive.content([4, 4, 1, 2, 4, 3, 1, 1]))
    graph = fl.rows(PackedMolecules(path, 4, "real", edges=13)) >> fl.batch(2, on_error="skip")
    with graph.iterate() as batches:
        kept = [batch["N"].tolist() for batch in batches]
        stats = batches.stats().stages["batch"]
    assert kept == [[1, 2], [1, 1]]
    assert stats.dropped == {"more pairs than there is room for": 4}
    assert stats.in_ == stats.out + 4


@pytest.mark.parametrize("cutoff", [None, 2.0])
def test_batches_by_a_budget_of_pairs(tmp_path: Path, cutoff: float | None) -> None:
    arrays = naive.content([1, 5, 2, 2, 6, 3, 1] * 9)
    path = naive.write(tmp_path, arrays)
    records = PackedMolecules(path, (2, 6), "real", cutoff, edges=40)
    found = batches_of(fl.rows(records) >> fl.shuffle() >> fl.batch(edges=40), seed=1)
    assert sum(len(batch["N"]) for batch in found) == 63
    counts = [int(batch["edge_mask"].sum()) for batch in found]
    assert max(counts) <= 40
    assert all(set(batch["N"].tolist()) <= {1, 2} or batch["Z"].shape[1] == 6 for batch in found)
    assert sum(counts) == len(naive.pair_lists(arrays, range(63), 6, "real", cutoff)["dst_idx"])
    wide = [taken(batch) for batch in found if batch["Z"].shape[1] == 6]
    assert max(wide) <= 40
    assert all(one + other > 40 for one, other in pairwise(wide))  # none is cut too early


def taken(batch: Arrays) -> int:
    """Pairs of all molecules of a batch; one for a molecule without any."""
    molecules, slots = batch["Z"].shape
    pairs = np.bincount(batch["dst_idx"][batch["edge_mask"]] // slots, minlength=molecules)
    return int(np.maximum(pairs, 1).sum())


def test_molecules_without_pairs_make_no_endless_batch(tmp_path: Path) -> None:
    path = naive.write(tmp_path, naive.content([1] * 90 + [3]))
    found = batches_of(fl.rows(PackedMolecules(path, pairs="real")) >> fl.batch(edges=20))
    assert [len(batch["E"]) for batch in found] == [20, 20, 20, 20, 11]


@given(SIZES, st.sampled_from([0.5, 2.0, 100.0]))
def test_pairs_of_a_molecule_are_counted_once(sizes: list[int], cutoff: float) -> None:
    arrays = naive.content(sizes, seed=3)
    with tempfile.TemporaryDirectory() as folder:
        table = PackedMolecules(naive.write(Path(folder), arrays), pairs="real", cutoff=cutoff).open()
        rows = np.array([len(sizes) - 1, 0, *range(len(sizes))])
        wanted = [len(naive.pair_lists(arrays, [row], 6, "real", cutoff)["dst_idx"]) for row in rows.tolist()]
        for _ in range(2):
            assert table.pair_counts(rows).tolist() == wanted
        assert table.counted.tolist() == wanted[2:]
        table.close()


def test_large_molecules_are_counted_by_cells(tmp_path: Path) -> None:
    arrays = naive.content([300, 2])
    table = PackedMolecules(naive.write(tmp_path, arrays), pairs="real", cutoff=1.5).open()
    wanted = [len(naive.pair_lists(arrays, [row], 300, "real", 1.5)["dst_idx"]) for row in (0, 1)]
    assert table.pair_counts(np.array([0, 1])).tolist() == wanted
    table.close()


def test_the_exam(tmp_path: Path) -> None:
    path = naive.write(tmp_path, naive.content([1, 5, 2, 2, 6, 3, 1] * 5))
    assert check_records(PackedMolecules(path, (2, 6), "real", 3.0, edges=(200, 2000))) > 0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"edges": 10}, "edges is for pairs='real'; here pairs=None"),
        ({"edges": 10, "pairs": "batch"}, "edges is for pairs='real'; here pairs='batch'"),
        ({"edges": 0, "pairs": "real"}, "edges is 0; wanted a number from 1, several of them, or None"),
        ({"edges": (5, 5), "pairs": "real"}, "edges is \\(5, 5\\); wanted each of them once"),
        ({"too_many_edges": "cut"}, "too_many_edges is for edges=; here is no capacity"),
        ({"too_many_edges": "drop"}, "too_many_edges is 'drop'; wanted 'raise' or 'cut'"),
    ],
)
def test_bad_parameters_are_named(how: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        PackedMolecules("set", **how)


def test_room_for_pairs_is_told_before_a_run(tmp_path: Path) -> None:
    path = naive.write(tmp_path, naive.content([6] * 64))
    told = [
        (fl.rows(PackedMolecules(path, 10, "real", edges=edges)) >> fl.batch(16)).memory(cpus=1)["batch"]
        for edges in (None, 1 << 20)
    ]
    assert told[1] - told[0] >= 3 * 9 << 20
