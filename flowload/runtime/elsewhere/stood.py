"""Where the lanes of workers stood when they last said so: for whoever goes on with them, and for states."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from flowload.abc.operators import State
from flowload.graph.inspect.lane_cut import CutLanes

__all__ = ["WhereLanesStand"]


class WhereLanesStand:
    """Parts of states by lane, each behind a number of rounds; from any thread.

    Workers are asked for them behind the same round. The newest that all lanes have is kept until there is
    another such, and of each lane the newest beside it: so lanes can go on together in any worker, whoever
    died before it said where its own stood. One that has none there would make all again from the beginning.

    Args:
        cut: the lanes.
    """

    def __init__(self, cut: CutLanes) -> None:
        self.cut = cut
        self.lock = threading.Lock()
        self.lanes: dict[str, dict[int, Mapping[str, Any]]] = {str(lane): {} for lane in cut.here}
        self.shared: dict[str, dict[int, Any]] = {}  # by rank and world
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
        with self.lock:
            self.whole = state
            for lane, own in standing.get("lanes", {}).items():
                if lane in self.lanes:
                    self.lanes[lane][int(own["rounds"][self.output]["number"])] = own
            for key, own in standing.get("shared", {}).items():
                self.shared.setdefault(key, {})[self.rounds(state)] = own
            self.lacks = standing.get("lacks")
            self.data |= (state.get("world") or {}).get("data") or {}
            self.roots |= (state.get("world") or {}).get("roots") or {}
            self.forget()

    def rounds(self, state: State) -> int:
        """Behind how many rounds a state is."""
        return int(state["delivered"][self.output]) // self.cut.count

    def forget(self) -> None:
        """Keep what is wanted; holding the lock."""
        common = newest_of(self.lanes.values())
        for kept in self.lanes.values():
            for number in [each for each in kept if each < common or common < each < max(kept)]:
                del kept[number]
        wanted = {number for kept in self.lanes.values() for number in kept}
        for key, parts in tuple(self.shared.items()):
            self.shared[key] = {number: part for number, part in parts.items() if number in wanted}
            if not self.shared[key]:
                del self.shared[key]

    def seen(self) -> dict[str, Any]:
        """What workers know of the data, as parts of a state's world; of what none has told nothing."""
        with self.lock:
            return {name: own for name, own in (("data", self.data), ("roots", self.roots)) if own}

    def behind(self, rounds: int, heard: Iterable[State] = ()) -> dict[str, Any]:
        """Of a state: all lanes that stood behind so many rounds, and what they share.

        Args:
            rounds: how many.
            heard: what workers have just said, and others may have made forgotten.
        """
        found: dict[str, Any] = {"shared": {}, "lanes": {}}
        with self.lock:
            for name, known in (("shared", self.shared), ("lanes", self.lanes)):
                found[name] |= {key: parts[rounds] for key, parts in known.items() if rounds in parts}
            if self.lacks is not None:
                found["lacks"] = self.lacks
        for state in heard:
            if self.rounds(state) == rounds:
                for name in ("shared", "lanes"):
                    found[name] |= (state.get("standing") or {}).get(name, {})
        return found

    def state_for(self, number: int, workers: int) -> State | None:
        """What a worker goes on from: the newest that its lanes have together; None: it begins."""
        plan = self.cut.made(number, workers)
        own = [str(lane) for lane in plan.here]
        with self.lock:
            whole = self.whole
            known = [self.lanes[lane] for lane in own]
            newest = newest_of(known) or max((number for parts in known for number in parts), default=0)
        if whole is None:
            return None
        found = self.behind(newest)
        key = f"{plan.rank} of {plan.world}"
        standing = {
            "shared": {name: part for name, part in found["shared"].items() if name == key},
            "lanes": {lane: part for lane, part in found["lanes"].items() if lane in own},
        }
        return {**whole, "delivered": {self.output: newest * self.cut.count}, "standing": standing}


def newest_of(lanes: Iterable[Mapping[int, Any]]) -> int:
    """The last number of rounds behind which all of some lanes are known; 0: there is none."""
    return max(set.intersection(*(set(parts) for parts in lanes)), default=0)
