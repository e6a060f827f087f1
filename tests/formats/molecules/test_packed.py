from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import flowload as fl
from flowload.abc.record_powers import Grouped, Sized
from flowload.abc.records import LayoutRecords, LayoutTable
from flowload.formats.molecules.packed import PackedMolecules
from tests.formats.molecules import packs as naive

SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=25)


def batches_of(graph: fl.Graph, **how: Any) -> list[dict[str, NDArray[Any]]]:
    with graph.iterate(**how) as batches:
        return [{key: np.array(array) for key, array in batch.items()} for batch in batches]


def check(found: dict[str, NDArray[Any]], wanted: naive.Content) -> None:
    assert found.keys() == wanted.keys()
    for key, array in wanted.items():
        assert found[key].dtype == array.dtype, key
        np.testing.assert_array_equal(found[key], array, err_msg=key)


def test_it_keeps_the_agreements(tmp_path: Path) -> None:
    records = PackedMolecules(naive.write(tmp_path / "set", naive.content([3, 1])), num_atoms=4)
    assert isinstance(records, LayoutRecords)
    assert pickle.loads(pickle.dumps(records)) == records
    table = records.open()
    assert isinstance(table, LayoutTable)
    assert isinstance(table, Sized)
    assert isinstance(table, Grouped)
    assert isinstance(table, Sized)
    assert len(table) == 2
    assert table.sizes(np.array([1, 0, 1])).tolist() == [1, 3, 1]
    assert table.padding(np.array([0, 1]))[:2] == (4, 8)
    assert table.describe(1) == f"{tmp_path / 'set'}, molecule 1"
    for layout in records.layouts:
        assert records.fields(layout) == table.fields(layout, np.array([0]))
        assert PackedMolecules(tmp_path / "set").fields(layout) == {}
    table.close()


@pytest.mark.slow
@given(
    sizes=SIZES,
    batch=st.integers(1, 30),
    spare=st.none() | st.integers(0, 2),
    pairs=st.sampled_from([None, "none", "molecule", "batch", "real"]),
    cutoff=st.none() | st.sampled_from([0.5, 3.0, 100.0]),
    layout=st.sampled_from(["physnet", "masked", None]),
    charged=st.booleans(),
)
def test_batches_are_those_of_numpy(
    sizes: list[int],
    batch: int,
    spare: int | None,
    pairs: Literal["none", "molecule", "batch", "real"] | None,
    cutoff: float | None,
    layout: str | None,
    charged: bool,
) -> None:
    arrays = naive.content(sizes, seed=len(sizes))
    if not charged:
        del arrays["Qtot.f64"]
    num_atoms = None if spare is None else max(sizes) + spare
    cutoff = cutoff if pairs == "real" else None
    with tempfile.TemporaryDirectory() as folder:
        records = PackedMolecules(naive.write(Path(folder), arrays), num_atoms, pairs, cutoff)
        found = batches_of(fl.rows(records) >> fl.batch(batch, layout=layout))
    assert len(found) == -(-len(sizes) // batch)
    for start, one in zip(range(0, len(sizes), batch), found, strict=True):
        rows = range(len(sizes))[start : start + batch]
        slots = num_atoms or max(sizes[start : start + batch])
        make, published = (naive.masked, "none") if layout == "masked" else (naive.physnet, "molecule")
        wanted = make(arrays, rows, slots)
        check(one, {**wanted, **naive.pair_lists(arrays, rows, slots, pairs or published, cutoff)})


@pytest.mark.parametrize("workers", [1, 3])
def test_an_epoch_has_every_molecule_once_for_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    arrays = naive.content([1, 5, 2, 2, 6, 3, 1] * 30)
    arrays["E.f64"] = np.arange(210.0)
    records = PackedMolecules(naive.write(tmp_path, arrays), pairs="real", cutoff=2.0)
    graph = fl.rows(records) >> fl.shuffle() >> fl.bucket(50) >> fl.batch(8, workers=workers)
    found = batches_of(graph, seed=7, cpus=2)
    assert sorted(np.concatenate([batch["E"] for batch in found])) == list(range(210))
    wanted = batches_of(graph, seed=7, cpus=1)
    for one, two in zip(found, wanted, strict=True):
        check(one, two)
    other = batches_of(graph, seed=8)
    assert not np.array_equal(other[0]["E"], found[0]["E"])


def test_constant_indices_are_shared_and_read_only(tmp_path: Path) -> None:
    path = naive.write(tmp_path, naive.content([2] * 20))
    with (fl.rows(PackedMolecules(path, 4, "batch")) >> fl.batch(8)).iterate() as batches:
        one, two, last = batches
    assert one["dst_idx"] is two["dst_idx"]
    assert one["batch_segments"] is two["batch_segments"]
    assert last["src_idx"].tolist() == one["src_idx"][: 4 * 12].tolist()
    with pytest.raises(ValueError, match="read-only"):
        one["dst_idx"][0] = 1
    with (fl.rows(PackedMolecules(path, 4, "real")) >> fl.batch(8)).iterate() as batches:
        one, two, _ = batches
    assert not np.shares_memory(one["dst_idx"], two["dst_idx"])
    one["dst_idx"][0] = 1


def test_exact_duplicates_and_conformations_go_the_same_way(tmp_path: Path) -> None:
    arrays = naive.content([3] * 60)
    kinds = np.arange(60) % 20
    arrays["Z_pack.int32"][:] = np.repeat(kinds, 3) + 1
    table = PackedMolecules(naive.write(tmp_path, arrays)).open()
    keys = table.group("molecule", np.arange(60))
    assert len(set(keys.tolist())) == 20
    assert (keys == table.group("composition", np.arange(60))).all()
    assert (keys[:20] == keys[20:40]).all()
    table = PackedMolecules(
        naive.write(tmp_path, {**arrays, "groups.npy": np.arange(60, dtype=np.int16) // 2})
    ).open()
    assert table.group("molecule", np.array([3, 59])).tolist() == [1, 29]
    assert table.group("composition", np.array([3, 59])).tolist() == keys[[3, 59]].tolist()
    parts = fl.rows(PackedMolecules(tmp_path)) >> fl.split(by="molecule", a=0.5, b=0.5)
    kept = batches_of(parts.drop("b") >> fl.batch(60))[0]["E"]
    rows = np.flatnonzero(np.isin(arrays["E.f64"], kept))
    assert 0 < len(rows) < 60
    assert set(rows ^ 1) == set(rows)
