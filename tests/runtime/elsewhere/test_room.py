"""How many workers there are: as many as are wanted, as far as there is room for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import islice

import anyio
import numpy as np
import pytest

import flowload as fl
from flowload.runtime.elsewhere.lanes import RemoteLanes
from flowload.runtime.elsewhere.room import PATIENCE, Room
from tests.runtime.elsewhere.local import Cluster, elsewhere
from tests.runtime.lanes.worlds import digest


def test_it_begins_with_what_the_cluster_holds() -> None:
    assert Room(24, 8, lambda: 100).first() == 8
    assert Room(24, 8, lambda: 5).first() == 4
    assert Room(24, 8, lambda: 0).first() == 1  # that one is waited for
    assert Room(24, None, lambda: 7).first() == 6
    assert Room(24, 8).first() == 8


def test_lanes_of_those_without_room_go_to_others() -> None:
    """At once where the nodes do not suffice; else after a while, which grows with each time."""
    room = Room(24, 4, lambda: 3)
    assert room.decided(4, alive=4, waited=0.0, spares=0) == (4, 0)  # it was told too early
    assert room.decided(4, alive=1, waited=0.0, spares=0) == (3, 1)  # others come up
    assert room.decided(4, alive=3, waited=0.0, spares=0) == (3, 1)
    assert room.decided(3, alive=3, waited=0.0, spares=0) == (3, 1)
    assert room.decided(3, alive=3, waited=0.0, spares=1) == (4, 0)
    room = Room(24, 4, lambda: 9)
    assert room.decided(4, alive=3, waited=PATIENCE, spares=0) == (4, 0)  # while all begin
    room.begun()
    assert room.decided(4, alive=3, waited=PATIENCE / 2, spares=0) == (4, 0)
    assert room.decided(4, alive=3, waited=PATIENCE, spares=0) == (3, 1)
    assert room.decided(4, alive=3, waited=PATIENCE, spares=0) == (4, 0)
    assert room.decided(4, alive=3, waited=2 * PATIENCE, spares=0) == (3, 1)
    assert room.decided(4, alive=0, waited=1e9, spares=0) == (4, 0)  # nobody lives to take them


def test_spares_are_enough_before_there_are_more() -> None:
    room = Room(24, 8, lambda: 9)
    assert room.decided(4, alive=4, waited=0.0, spares=1) == (4, 4)  # 5 do not divide the lanes
    assert room.decided(4, alive=4, waited=0.0, spares=2) == (6, 2)
    assert room.want(2) == 2
    assert room.decided(6, alive=6, waited=0.0, spares=0) == (2, 0)


def test_as_many_as_the_cluster_holds() -> None:
    """It follows the cluster; where others use it, it asks for no more before it changes."""
    held = [4]
    room = Room(24, None, lambda: held[0])
    assert room.first() == 4
    held[0] = 2
    assert room.decided(4, alive=4, waited=0.0, spares=0) == (2, 0)
    held[0] = 6
    assert room.decided(2, alive=2, waited=0.0, spares=0) == (2, 4)
    assert room.decided(2, alive=2, waited=0.0, spares=4) == (6, 0)
    room.begun()
    assert room.decided(6, alive=3, waited=PATIENCE, spares=0) == (3, 0)
    assert room.decided(3, alive=3, waited=0.0, spares=0) == (3, 0)
    held[0] = 8
    assert room.decided(3, alive=3, waited=0.0, spares=0) == (3, 5)


def test_a_cluster_that_does_not_answer_holds_what_it_held() -> None:
    told: list[int | None] = [3]
    room = Room(24, 8, lambda: told[0])
    assert room.first() == 3
    told[0] = None
    assert room.decided(4, alive=3, waited=0.0, spares=0) == (3, 5)


def noisy() -> fl.Graph:
    rows = fl.rows({"x": np.arange(4000)}) >> fl.shuffle() >> fl.shard(lanes=4)
    return rows >> fl.batch(4)


@pytest.mark.parametrize("workers", [4, None])
def test_workers_come_and_go_with_the_room(workers: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of four die, and there is room for no others; later there is."""
    monkeypatch.setattr(RemoteLanes, "look", 0.0)
    cluster, found = Cluster(4), list[str]()
    with elsewhere(noisy(), workers, cluster=cluster, seed=3, epochs=None, bytes_ahead=1 << 12) as batches:
        assert batches.workers == 4
        for room in (2, 4):
            cluster.resize(room)
            while batches.workers != room:
                found.append(digest(next(batches)))
            found += [digest(batch) for batch in islice(batches, 50)]
    with noisy().iterate(seed=3, epochs=None) as here:
        assert found == [digest(batch) for batch in islice(here, len(found))]
    assert not cluster.alive


@pytest.mark.slow
def test_a_node_takes_all_its_workers_along() -> None:
    """More of them than may die one after the other in one place."""
    rows = fl.rows({"x": np.arange(4000)}) >> fl.shuffle() >> fl.shard(lanes=6) >> fl.batch(4)
    cluster, found = Cluster(6), list[str]()
    with elsewhere(rows, 6, cluster=cluster, seed=3, bytes_ahead=1 << 12) as batches:
        found += [digest(batch) for batch in islice(batches, 20)]
        for worker in tuple(cluster.alive):
            worker.kill()
        found += [digest(batch) for batch in batches]
    with rows.iterate(seed=3) as here:
        assert found == [digest(batch) for batch in here]
    assert batches.replaced == 6


def test_it_begins_with_those_that_find_room(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The cluster shrinks while they begin."""
    monkeypatch.setattr(RemoteLanes, "look", 0.0)
    cluster, told = Cluster(3), iter([4])
    monkeypatch.setattr(cluster, "capacity", lambda: next(told, 3))
    with elsewhere(noisy(), 4, cluster=cluster) as batches:
        assert batches.workers == 2
        next(batches)
    assert "there is no room for 4 workers: 2 workers make the lanes" in caplog.text


class OnLine(logging.Handler):
    """Calls a function when a line is logged that has some words."""

    def __init__(self, words: str, function: Callable[[], object]) -> None:
        super().__init__()
        self.words = words
        self.function = function

    def emit(self, record: logging.LogRecord) -> None:
        if self.words in record.getMessage():
            self.function()


@pytest.mark.asyncio
async def test_who_waits_for_room_is_named_and_can_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has room: that is said, and a reader who leaves while it waits ends it."""
    monkeypatch.setattr(RemoteLanes, "look", 0.0)
    monkeypatch.setattr("flowload.runtime.elsewhere.seat.SLOW", 0.0)
    cluster, loop = Cluster(0), asyncio.get_running_loop()
    with anyio.CancelScope() as scope:
        hears = OnLine("is there room for it?", lambda: loop.call_soon_threadsafe(scope.cancel))
        logging.getLogger("flowload").addHandler(hears)
        try:
            async with elsewhere(noisy(), 2, cluster=cluster):
                pytest.fail("it began")
        finally:
            logging.getLogger("flowload").removeHandler(hears)
    assert scope.cancelled_caught
    assert not cluster.alive
