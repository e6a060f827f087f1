"""What the runtime itself costs a block: graphs that do nothing."""

from __future__ import annotations

from time import perf_counter
from typing import NamedTuple

import numpy as np

import flowload as fl
from flowload.blocks import Batch
from tools.bench.measuring.spread import Spread

__all__ = ["measure_hops"]


class Cost(NamedTuple):
    """Microseconds a block."""

    wall: float
    loop: float  #: CPU of the event loop's thread


def measure_hops(blocks: int, rounds: int, cpus: int) -> None:
    """Graph by graph, in turn; printed."""
    drawings = drawn(blocks)
    costs: dict[str, list[Cost]] = {name: [] for name in drawings}
    for _ in range(rounds):
        for name, graph in drawings.items():
            costs[name].append(run(graph, cpus))
    print(f"{'microseconds a block, median (least - most)':<46}{'wall':>24}{'event loop':>24}")
    for name, each in costs.items():
        wall, loop = Spread.of([cost.wall for cost in each]), Spread.of([cost.loop for cost in each])
        print(f"{name:<46}{shown(wall):>24}{shown(loop):>24}")


def drawn(blocks: int) -> dict[str, fl.Graph]:
    """One stage more each time."""
    block = Batch({"x": np.zeros((8, 1), np.float32)})
    source = fl.source(lambda: (block for _ in range(blocks)))
    return {
        "source": source,
        "source, map": source >> same(),
        "source, 3 maps (one hop: they are fused)": source >> same() >> same() >> same(),
        "source, batch (a fold and a map)": source >> fl.batch(8),
        "source, map, batch, map": source >> same() >> fl.batch(8) >> same(),
    }


def same() -> fl.Graph:
    """A map that does nothing."""
    return fl.map(lambda batch: batch)


def run(graph: fl.Graph, cpus: int) -> Cost:
    """All blocks of a graph, but for the first, which starts it."""
    with graph.iterate(cpus=cpus) as batches:
        next(batches)
        loop, began = batches.stats().loop_time, perf_counter()
        count = sum(1 for _ in batches)
        wall, loop = perf_counter() - began, batches.stats().loop_time - loop
    return Cost(wall / count * 1e6, loop / count * 1e6)


def shown(spread: Spread) -> str:
    """With its bounds."""
    return f"{spread.median:.1f} ({spread.least:.1f} - {spread.most:.1f})"
