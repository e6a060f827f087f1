"""Graphs that pictures are drawn of: three stages, and thirty with branches that join again."""

from __future__ import annotations

import flowload as fl
from flowload.graph import Graph
from tests.runtime.stages import fan_out, in_turn, numbers, plus, rebatch

__all__ = ["LONG", "thirty", "three"]

LONG = "a_name_so_long_that_no_row_has_room_for_it_<&>'\""


def three() -> Graph:
    """A chain."""
    return numbers(60, 2) >> plus(1, name="add", workers=2) >> rebatch(5, name="cut")


def thirty() -> Graph:
    """Thirty stages with branches that join again, and two outputs."""
    split = numbers(240, 6) >> plus(0, name=LONG) >> fan_out("a", "b", "c", "d")
    branches = []
    for k, port in enumerate("abc"):
        branch: Graph = split[port]
        for step in range(6):
            branch = branch >> plus(1, name=f"step_{k}_{step}", workers=1 + step % 2)
        branches.append(branch)
    joined = branches >> in_turn() >> rebatch(8, name="batch") >> plus(0, name="device", workers=1)
    other: Graph = split["d"]
    for step in range(5):
        other = other >> rebatch(2 + step, name=f"cut_{step}")
    return fl.outputs(train=joined, valid=other >> plus(0, name="last", workers=3))
