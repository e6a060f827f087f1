"""Where lanes stood: what is kept of it, so that any worker can go on with any of them."""

from __future__ import annotations

from typing import Any

import numpy as np

import flowload as fl
from flowload.graph.inspect.lane_cut import cut_lanes
from flowload.runtime.elsewhere.stood import WhereLanesStand


def begun() -> WhereLanesStand:
    graph = fl.rows({"x": np.arange(96)}) >> fl.shard(lanes=4) >> fl.batch(4)
    found = WhereLanesStand(cut_lanes(graph.plan))
    found.begin(None, 0, "out")
    return found


def said(rounds: int, *lanes: int) -> dict[str, Any]:
    """The state of a worker with some lanes behind so many rounds."""
    own = {str(lane): {"rounds": {"out": {"number": rounds}}, "mine": (lane, rounds)} for lane in lanes}
    shared = {f"{lanes[0]} of 2": {"of": rounds}}
    return {"delivered": {"out": 4 * rounds}, "standing": {"lanes": own, "shared": shared}}


def lanes_of(state: Any) -> dict[str, Any]:
    found: dict[str, Any] = state["standing"]["lanes"]
    return {lane: own["mine"] for lane, own in found.items()}


def test_lanes_of_several_workers_go_on_together() -> None:
    """One of two has died before it said where it stood last: the round that both have is known still."""
    stood = begun()
    assert stood.state_for(0, 1) is None
    stood.learn(said(10, 0, 2))
    stood.learn(said(10, 1, 3))
    stood.learn(said(20, 0, 2))
    together = stood.state_for(0, 1)
    assert together is not None
    assert together["delivered"] == {"out": 40}
    assert lanes_of(together) == {"0": (0, 10), "1": (1, 10), "2": (2, 10), "3": (3, 10)}
    own, others = stood.state_for(0, 2), stood.state_for(1, 2)
    assert own is not None
    assert others is not None
    assert lanes_of(own) == {"0": (0, 20), "2": (2, 20)}
    assert own["standing"]["shared"] == {"0 of 2": {"of": 20}}
    assert lanes_of(others) == {"1": (1, 10), "3": (3, 10)}


def test_what_is_older_than_all_have_is_forgotten() -> None:
    stood = begun()
    for rounds in (10, 20, 30):
        stood.learn(said(rounds, 0, 2))
        stood.learn(said(rounds, 1, 3))
    assert [list(parts) for parts in stood.lanes.values()] == [[30]] * 4
    assert [list(parts) for parts in stood.shared.values()] == [[30]] * 2
    stood.learn(said(20, 1, 3))  # that was overtaken
    assert lanes_of(stood.state_for(1, 2)) == {"1": (1, 30), "3": (3, 30)}
    for rounds in (40, 50):
        stood.learn(said(rounds, 0, 2))
    assert list(stood.lanes["0"]) == [30, 50]


def test_a_state_has_what_was_just_heard() -> None:
    """Also where another word has made it forgotten meanwhile."""
    stood = begun()
    first, second = said(10, 0, 2), said(10, 1, 3)
    for each in (first, second, said(20, 0, 2), said(20, 1, 3)):
        stood.learn(each)
    assert stood.behind(10) == {"shared": {}, "lanes": {}}
    found = stood.behind(10, [first, second])
    assert sorted(found["lanes"]) == ["0", "1", "2", "3"]
    assert sorted(found["shared"]) == ["0 of 2", "1 of 2"]
