"""What lanes that Ray's actors make cost beside lanes in this process: rate, CPU time, bytes on their way."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import ray

import flowload as fl
from tools.bench.measuring.settings import default_data

__all__ = ["OnRay", "measure_ray"]

LANES = 4
STORE = 256 << 20  #: bytes of Ray's object store
FIRST = 2 * LANES  #: batches before a measurement

#: What is on its way: layout of batches, rows of one, and the node that lanes leave behind.
WAYS: dict[str, tuple[str, int, str | None]] = {
    "packed positions, tensors made here": ("tensors", 256, None),
    "tensors": ("tensors", 256, "batch"),
    "bits": ("bits", 1024, "batch"),
}


class OnRay(NamedTuple):
    """Medians of neighbouring turns, actors over this process."""

    name: str
    rate: float
    cpu: float


def graph_of(data: str, layout: str, size: int) -> fl.Graph:
    """Chess in lanes."""
    games = fl.discover(data) >> fl.read("lc0") >> fl.shard(lanes=LANES) >> fl.shuffle_pool(400)
    return games >> fl.unpack(rate=0.2) >> fl.reservoir(4000) >> fl.batch(size, layout=layout)


def rate(run: Any, batches: int) -> tuple[float, float]:
    """Batches/s, and seconds of CPU of all processes a batch."""
    for _ in range(FIRST):
        next(run)
    began, cpu = perf_counter(), run.stats().cpu_time
    for _ in range(batches):
        next(run)
    seconds = perf_counter() - began
    return batches / seconds, (run.stats().cpu_time - cpu) / batches


def measure_ray(batches: int, rounds: int, cpus: int, tell: Callable[[str], None]) -> list[OnRay]:
    """Every way beside the same lanes in this process, told and returned; on a cluster of this machine."""
    data = default_data()
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=STORE, log_to_driver=False)
    found = []
    try:
        for name, (layout, size, cut) in WAYS.items():
            graph = graph_of(data, layout, size)
            pairs = []
            for _ in range(rounds):
                with graph.iterate(epochs=None, cpus=cpus) as run:
                    here = rate(run, batches)
                with graph.on_ray(workers=2, epochs=None, cut=cut, bytes_ahead=STORE // 2) as run:
                    pairs.append((rate(run, batches), here))
            one = OnRay(
                name,
                median(there[0] / here[0] for there, here in pairs),
                median(there[1] / here[1] for there, here in pairs),
            )
            tell(
                f"{name}: by two actors of Ray {one.rate:.2f} x the rate, {one.cpu:.2f} x the CPU time"
                f" (medians of {rounds} turns)"
            )
            found.append(one)
    finally:
        ray.shutdown()
    return found
