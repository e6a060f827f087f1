"""What a map in pure Python reaches with threads and with processes; and what a block's way there costs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import flowload as fl

__all__ = ["has_lock", "measure_maps", "plainly", "through"]

WIDTH, SIZE = 1024, 16  #: float32 numbers of a row, rows of a batch of the slow map
LARGE = 8 << 20  #: bytes of a block that only goes through


class Way(NamedTuple):
    """How a map is called."""

    name: str
    executor: Any
    workers: int


WAYS = (
    Way("one thread", "thread", 1),
    Way("two threads", "thread", 2),
    Way("one process", "process", 1),
    Way("two processes", "process", 2),
)


def has_lock() -> bool:
    """Whether one thread at a time runs Python: a free-threaded build has no such lock."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def plainly(batch: dict[str, Any]) -> dict[str, Any]:
    """Clip every number in pure Python."""
    x = batch["x"]
    clipped = [min(max(value, -1.0), 1.0) for value in x.ravel().tolist()]
    return {"x": np.array(clipped, np.float32).reshape(x.shape)}


def through(batch: dict[str, Any]) -> dict[str, Any]:
    """Nothing."""
    return batch


def rate(graph: fl.Graph, batches: int, cpus: int) -> float:
    """Batches a second, behind the first ones."""
    with graph.iterate(epochs=None, cpus=cpus) as run:
        for _ in range(8):
            next(run)
        began = perf_counter()
        for _ in range(batches):
            next(run)
        return batches / (perf_counter() - began)


def measure_maps(batches: int, rounds: int, cpus: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Both, each way in turn; the rates of the slow map as multiples of one thread's, and 1e-9 s a byte."""
    rng = np.random.default_rng(0)
    slow = fl.rows({"x": rng.standard_normal((1024, WIDTH)).astype(np.float32)}) >> fl.batch(SIZE)
    large = fl.rows({"x": rng.standard_normal((256, LARGE // 4 // 64)).astype(np.float32)}) >> fl.batch(64)
    found: dict[str, list[float]] = {way.name: [] for way in WAYS}
    costs: list[float] = []
    for number in range(rounds):
        for way in WAYS if number % 2 else reversed(WAYS):  # none always comes first
            mapped = slow >> fl.map(plainly, executor=way.executor, workers=way.workers)
            found[way.name].append(rate(mapped, batches, cpus))
        there, here = (
            1 / rate(large >> fl.map(through, executor=executor, workers=1), batches, cpus)
            for executor in ("process", "thread")
        )
        costs.append((there - here) / LARGE)
    first = median(found["one thread"])
    made = {name: median(rates) / first for name, rates in found.items()}
    tell(f"a map in pure Python, batches of {SIZE} x {WIDTH} numbers; medians of {rounds} turns")
    tell("  this Python has its lock" if has_lock() else "  this Python has no lock: threads should do")
    for name, times in made.items():
        tell(f"  {name:<14} {times:5.2f} x one thread")
    made["way"] = median(costs) * 1e9
    tell(f"{LARGE >> 20} MiB there and back: {made['way'] * LARGE / 1e6:.1f} ms more than in a thread")
    return made
