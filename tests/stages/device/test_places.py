from __future__ import annotations

import threading

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Call
from flowload.blocks import Batch
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.device.places import InPlaces, Places, of_batches, of_windows
from tests.stages.fakes import FakeCall


def test_a_place_is_free_when_nobody_refers_to_it() -> None:
    places, told = Places(2), list[int]()
    places.moved = lambda: told.append(1)
    held = [places.take(), places.take()]
    assert not places.room()
    held.pop()
    assert told == [1]
    assert places.room()
    assert places.taken == 1


def test_places_that_a_reader_keeps_are_not_counted_nor_when_they_come_back() -> None:
    places = Places(1)
    kept = [places.take()]
    assert not places.room()
    places.relieve()
    assert places.room()
    kept.append(places.take())
    assert not places.room()
    del kept[0]
    assert not places.room()
    kept.clear()
    assert places.room()
    assert places.taken == 0


def test_a_lease_keeps_its_place_until_its_last_view_has_gone() -> None:
    pool, places = BufferPool(), Places(1)
    array = pool.lease(5000, None, places.take())
    view = array[10:20].view(np.uint16)
    del array
    assert not places.room()
    assert pool.stats().leased == 1
    places.moved = lambda: seen.append(pool.stats().leased)
    seen = list[int]()
    del view
    assert seen == [0]  # who sees a free place finds the memory returned
    assert places.room()
    pool.close()


class Doubles:
    """A map."""

    def apply(self, block: Batch, call: Call) -> Batch | None:
        return Batch({"x": block.arrays["x"] * 2}) if len(block) else None

    def gauges(self) -> dict[str, float]:
        return {"a": 1.0}


def test_a_map_in_places_is_the_map_and_learns_how_many_small_blocks_may_be() -> None:
    sizes = list[int]()

    def known(nbytes: int) -> int:
        sizes.append(nbytes)
        return 5

    paced, call = InPlaces(Doubles(), 2, known), FakeCall()
    rows = Batch({"x": np.arange(4)})
    for block in (Batch({"x": np.arange(0)}), rows, rows):
        paced.began(block)
    assert not paced.room(rows)
    assert paced.apply(Batch({"x": np.arange(0)}), call) is None
    made = paced.apply(rows, call)
    assert made.arrays["x"].tolist() == [0, 2, 4, 6]
    assert (sizes, paced.places.most) == ([32], 5)
    assert paced.room(rows)
    assert len(call.kept) == 2  # a place each
    assert paced.gauges() == {"a": 1.0}
    paced.close()
    call.kept.clear()
    assert paced.room(rows)


@pytest.mark.parametrize(
    ("workers", "nbytes", "most"), [(1, 0, 4), (8, 0, 11), (1, 100, 32), (1, 1 << 20, 4), (2, 1 << 30, 5)]
)
def test_places_of_batches(workers: int, nbytes: int, most: int) -> None:
    assert of_batches(workers, nbytes) == most


@pytest.mark.parametrize(("workers", "pieces", "most"), [(4, 1, 5), (4, 3, 3), (4, 4, 2), (16, 64, 2)])
def test_places_of_windows(workers: int, pieces: int, most: int) -> None:
    assert of_windows(workers, pieces) == most


def test_batches_for_the_cpu_take_none() -> None:
    """A reader that keeps all of them is never asked about."""
    graph = fl.rows({"x": np.zeros((4000, 1000), np.float32)}) >> fl.batch(100) >> fl.to_device("cpu")
    with graph.iterate(cpus=1) as batches:
        held = list[object]()
        reader = threading.Thread(target=lambda: held.extend(batches), daemon=True)
        reader.start()
        reader.join(60)
        assert len(held) == 40
