"""A graph with a stage of every kind, of which one may fail, and the error that it fails with."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import anyio

from flowload.abc.operators import Call
from flowload.graph import Graph, place
from tests.runtime.stages import (
    Cycle,
    Does,
    DoesAsync,
    Folds,
    Hands,
    Ints,
    Junction,
    Modulo,
    Yields,
    ints,
    origin,
    step,
)

__all__ = ["FAILS_AT", "BoomError", "everything"]


FAILS_AT = 12


class BoomError(Exception):
    """What a stage of the test fails with."""


def everything(fails: str) -> Graph:
    """An endless line with every shape of operator in it, of which one fails."""

    def check(block: Ints, stage: str) -> Ints:
        if fails == stage and FAILS_AT in block.values:
            raise BoomError(stage)
        return block

    def sync(stage: str) -> Does:
        return Does(lambda block, _: check(block, stage))

    async def waits(block: Ints, call: Call) -> Ints:
        await anyio.lowlevel.checkpoint()
        return check(block, "wait")

    class Split(Modulo):
        def route(self, block: Ints, call: Call) -> Any:
            return super().route(check(block, "split"), call)

    class Merge(Cycle):
        def choose(self, alive: Sequence[int]) -> int:
            if fails == "turn":
                raise BoomError("turn")
            return super().choose(alive)

        def took(self, which: int, samples: int) -> None:
            super().took(which, samples)
            if fails == "merge":
                raise BoomError("merge")

    endless = Yields(lambda _: (check(ints([n, n + 1]), "begin") for n in itertools.count()))
    split = (
        origin(endless).named("begin")
        >> step(lambda: sync("map"), workers=2, name="map")
        >> step(lambda: DoesAsync(waits), name="wait")
        >> step(lambda: Folds(lambda block, _: [check(block, "fold")]), name="fold")
        >> place(Hands(make=lambda: [sync("io")]), name="io")
        >> step(lambda: Split(("even", "odd")), ports=("even", "odd"), name="split")
    )
    branches = [split["even"] >> step(lambda: sync("branch"), name="branch"), split["odd"]]
    merged = branches >> place(Junction(make=lambda: [Merge()]), name="merge")
    return merged >> step(lambda: sync("last"), name="last")
