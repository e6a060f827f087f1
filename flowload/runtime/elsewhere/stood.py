"""Where the lanes of workers stood when they last said so: for whoever goes on with them, and for states."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from flowload.abc.operators import State
from flowload.graph.inspect.lane_cut import CutLanes

__all__ = ["WhereLanesStand"]


class WhereLanesStand:
    """Parts of states by lane, each behind a number of rounds; from any thread.

    Args:
        cut: the lanes.
    """

    def __init__(self, cut: CutLanes) -> None:
        self.cut = cut
        self.lock = threading.Lock()
        self.lanes: dict[str, Mapping[str, Any]] = {}  # by lane
        self.shared: dict[str, tuple[int, Any]] = {}  # by rank and world: behind how many rounds, and what
        self.whole: State | None = None  # a state of which the rest is the same for all
        self.data: dict[str, Any] = {}  # what workers know of the data
        self.roots: dict[str, Any] = {}
        self.lacks: str | None = None  # why lanes cannot go on from the midst
        self.output = ""

    def begin(self, state: State | None, rounds: int, output: str) -> None:
        """The state that the run goes on from, behind so many rounds."""
        self.output = output
        if state is not None:
            self.learn({**state, "delivered": {output: rounds * self.cut.count}})

    def learn(self, state: State) -> None:
        """What a worker says: a state, whose batches are the blocks of all lanes."""
        standing = state.get("standing") or {}
        rounds = state["delivered"][self.output] // self.cut.count
        with self.lock:
            self.whole = state
            for lane, own in standing.get("lanes", {}).items():  # answers may overtake each other
                if lane not in self.lanes or self.number(lane) <= int(own["rounds"][self.output]["number"]):
                    self.lanes[lane] = own
            for key, own in standing.get("shared", {}).items():
                if key not in self.shared or self.shared[key][0] <= rounds:
                    self.shared[key] = rounds, own
            self.lacks = standing.get("lacks")
            self.data |= (state.get("world") or {}).get("data") or {}
            self.roots |= (state.get("world") or {}).get("roots") or {}

    def seen(self) -> dict[str, Any]:
        """What workers know of the data, as parts of a state's world; of what none has told nothing."""
        with self.lock:
            return {name: own for name, own in (("data", self.data), ("roots", self.roots)) if own}

    def number(self, lane: str) -> int:
        """Behind how many rounds a lane stood."""
        return int(self.lanes[lane]["rounds"][self.output]["number"])

    def behind(self, rounds: int) -> dict[str, Any]:
        """Of a state: all lanes that stood behind so many rounds, and what they share."""
        with self.lock:
            found: dict[str, Any] = {
                "shared": {key: own for key, (number, own) in self.shared.items() if number == rounds},
                "lanes": {lane: own for lane, own in self.lanes.items() if self.number(lane) == rounds},
            }
            return found if self.lacks is None else {**found, "lacks": self.lacks}

    def state_for(self, number: int, workers: int) -> State | None:
        """What a worker goes on from: the newest of its lanes; None: it begins."""
        if self.whole is None:
            return None
        plan = self.cut.made(number, workers)
        own = [str(lane) for lane in plan.here]
        with self.lock:
            newest = max((self.number(lane) for lane in own if lane in self.lanes), default=0)
        found = self.behind(newest)
        key = f"{plan.rank} of {plan.world}"
        standing = {
            "shared": {name: part for name, part in found["shared"].items() if name == key},
            "lanes": {lane: part for lane, part in found["lanes"].items() if lane in own},
        }
        return {**self.whole, "delivered": {self.output: newest * self.cut.count}, "standing": standing}
