from __future__ import annotations

import pickle
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowload as fl
from flowload.errors import DataError, GraphError
from flowload.formats.molecules import PackedMolecules
from flowload.formats.molecules.sizing.slots import Slots
from flowload.testing import check_records
from tests.formats.molecules import packs as naive
from tests.formats.molecules.test_packed import SIZES, batches_of, check


def test_the_smallest_slot_that_holds_it() -> None:
    numbers: Any = [40, 20, np.int64(60)]
    slots = Slots.of("num_atoms", "atoms", numbers)
    assert slots.sizes == (20, 40, 60)
    needed = np.array([1, 20, 21, 40, 41, 60, 61])
    assert [slots.fit(n) for n in needed.tolist()] == [20, 20, 40, 40, 60, 60, 60]
    assert slots.fit_all(needed).tolist() == [20, 20, 40, 40, 60, 60, 60]
    free = Slots.of("num_atoms", "atoms", None)
    assert (free.fit(7), free.most, free.fixed) == (7, 0, False)
    assert free.fit_all(needed).tolist() == needed.tolist()
    assert Slots.of("num_atoms", "atoms", 5).fixed


@pytest.mark.parametrize("bad", [(), (0,), (20, 20), (20, 4.0), (True,), "20", [None], 2.5, -1])
def test_what_are_no_slots(bad: Any) -> None:
    with pytest.raises(GraphError, match=r"num_atoms is .*; wanted"):
        PackedMolecules("set", num_atoms=bad)


def test_slots_are_a_value() -> None:
    one, two = PackedMolecules("set", num_atoms=[40, 20]), PackedMolecules("set", num_atoms=(20, 40))
    assert one == two == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(two)
    assert one.fields("masked")["Z"][0] == (40,)


@pytest.mark.slow
@given(
    sizes=SIZES,
    batch=st.integers(1, 9),
    slots=st.sets(st.integers(1, 7), min_size=1, max_size=3),
    pairs=st.sampled_from(["none", "molecule", "batch", "real"]),
    layout=st.sampled_from(["physnet", "masked"]),
)
def test_batches_are_those_of_numpy(
    sizes: list[int], batch: int, slots: set[int], pairs: Any, layout: str
) -> None:
    arrays = naive.content(sizes, seed=len(sizes))
    slots |= {max(sizes)}
    with tempfile.TemporaryDirectory() as folder:
        records = PackedMolecules(naive.write(Path(folder), arrays), tuple(slots), pairs)
        with (fl.rows(records) >> fl.batch(batch, layout=layout)).iterate() as batches:
            found = [{key: np.array(array) for key, array in one.items()} for one in batches]
            gauges = batches.stats().stages["batch"].gauges
    kinds: Counter[int] = Counter()
    atoms: Counter[int] = Counter()
    places: Counter[int] = Counter()
    for start, one in zip(range(0, len(sizes), batch), found, strict=True):
        rows = range(len(sizes))[start : start + batch]
        width = min(slot for slot in slots if slot >= max(sizes[row] for row in rows))
        wanted = (naive.masked if layout == "masked" else naive.physnet)(arrays, rows, width)
        check(one, {**wanted, **naive.pair_lists(arrays, rows, width, pairs, None)})
        kinds[width] += 1
        atoms[width] += sum(sizes[row] for row in rows)
        places[width] += width * len(rows)
    assert gauges["padding_efficiency"] == pytest.approx(atoms.total() / places.total())
    for width, count in kinds.items() if len(slots) > 1 else ():
        assert gauges[f"batches_{width}_atoms"] == count
        assert gauges[f"padding_efficiency_{width}_atoms"] == pytest.approx(atoms[width] / places[width])
    assert sum(name.startswith("batches_") for name in gauges) == (len(kinds) if len(slots) > 1 else 0)


def test_a_molecule_beyond_the_largest_slot(tmp_path: Path) -> None:
    arrays = naive.content([2, 5, 3, 6, 1])
    path = naive.write(tmp_path, arrays)
    with pytest.raises(DataError, match="molecule 1: too large; found 5 atoms; wanted at most num_atoms=4"):
        batches_of(fl.rows(PackedMolecules(path, (2, 4))) >> fl.batch(4))
    graph = fl.rows(PackedMolecules(path, (2, 4), too_large="drop")) >> fl.batch(1)
    assert [batch["R"].shape[1] for batch in batches_of(graph)] == [2, 4, 2]
    skipped = fl.rows(PackedMolecules(path, (2, 4))) >> fl.batch(2, on_error="skip")
    assert [batch["R"].shape for batch in batches_of(skipped)] == [(2, 4, 3), (1, 2, 3)]


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(tmp_path: Path, workers: int) -> None:
    arrays = naive.content([1, 5, 2, 2, 6, 3, 1] * 30)
    arrays["E.f64"] = np.arange(210.0)
    records = PackedMolecules(naive.write(tmp_path, arrays), (2, 4, 6), "real", 2.0)
    graph = fl.rows(records) >> fl.shuffle() >> fl.bucket(50) >> fl.batch(8, workers=workers)
    found, wanted = batches_of(graph, seed=7, cpus=2), batches_of(graph, seed=7, cpus=1)
    assert {batch["R"].shape[1] for batch in found} == {2, 4, 6}
    for one, two in zip(found, wanted, strict=True):
        check(one, two)


def test_slots_pass_the_exam(tmp_path: Path) -> None:
    path = naive.write(tmp_path, naive.content([1, 5, 2, 2, 6, 3, 1] * 5))
    for pairs in ("molecule", "real"):
        assert check_records(PackedMolecules(path, (2, 6), pairs)) > 0


def test_real_molecules_are_all_there_in_few_shapes(shared_molecules: Path) -> None:
    folder = PackedMolecules(shared_molecules / "mixed_mit")
    sizes, energies = folder.sizes(), folder.column("E")
    slots = fl.best_slots(sizes, 4)
    graph = fl.rows(PackedMolecules(shared_molecules / "mixed_mit", slots)) >> fl.shuffle()
    with (graph >> fl.batch(atoms=4096)).iterate(seed=1) as batches:
        found = [(batch["Z"].shape, batch["E"].copy()) for batch in batches]
        stats = batches.stats().stages["batch"]
    assert sorted(np.concatenate([own for _, own in found])) == sorted(energies)
    full = {(4096 // slot, slot) for slot in slots}
    assert sum(shape not in full for shape, _ in found) <= len(slots)  # the last ones
    best = sizes.sum() / np.array(slots)[np.searchsorted(slots, sizes)].sum()
    assert stats.gauges["padding_efficiency"] == pytest.approx(best)
    assert best > 0.8
