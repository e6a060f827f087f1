"""Lanes of a rank that a state has not: what they make again, and a word about it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flowload.graph.inspect.lanes import LanePlan
from flowload.runtime.lanes.catching_up import blocks_of_passes

__all__ = ["MissingLanes"]

log = logging.getLogger("flowload")

WAY_OUT = (
    "save the state of all ranks, which has their lanes: state_of_all_ranks(batches), of"
    " flowload.adapters.torch; save_checkpoint and StreamState do so"
)


class MissingLanes:
    """Those of one run.

    Args:
        lanes: of the graph.
        saved: the state that the run goes on from; None: it begins.
        first: of each output, the round that its reader is in there.
        align: passes are kept apart.
    """

    def __init__(
        self, lanes: LanePlan, saved: Mapping[str, Any] | None, first: Mapping[str, int], *, align: bool
    ) -> None:
        self.first = first
        self.align = align
        self.lacks: str | None = None if saved is None else saved.get("lacks")
        known = {} if saved is None else saved.get("ends", {})
        self.ends = {name: [int(end) for end in known[name]] for name in first if name in known}
        there = {} if saved is None else saved.get("lanes", {})
        self.lanes = [
            lane
            for lane in lanes.here
            for name, number in first.items()
            if there.get(str(lane), {}).get("rounds", {}).get(name, {}).get("number") != number
        ]
        #: Each lane can be taken to where the others stand by counting its blocks.
        self.countable = (not align or len(self.ends) == len(first)) and (
            self.lacks is None or saved is None or bool(saved.get("counted"))
        )
        self.why = None if saved is None or not self.lanes else self.told()

    def __contains__(self, lane: object) -> bool:
        return lane in self.lanes

    def __bool__(self) -> bool:
        return bool(self.lanes)

    def behind(self, name: str) -> list[int]:
        """The blocks of an output that a lane makes again, by pass where these are kept apart."""
        return blocks_of_passes(self.ends.get(name, ()) if self.align else (), self.first[name])

    def told(self) -> str:
        """What is made again, why, and the way out."""
        which = ", ".join(map(str, sorted(set(self.lanes))))
        what = f"the state has not all lanes of this rank: {which} made again from the beginning"
        if not self.countable:
            what = (
                "the state has not all lanes of this rank, nor by how much they are behind: all of its stream"
                " is made again, batches that were delivered included"
            )
        return f"{what}; {self.lacks or WAY_OUT}"

    def tell(self) -> None:
        """Log it, if there is anything."""
        if self.why is not None and any(self.first.values()):
            log.warning("%s", self.why)
