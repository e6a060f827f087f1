"""What lanes that Ray's actors make cost beside lanes in this process: rate, CPU time, bytes on their way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import ray
from numpy.typing import NDArray

import flowload as fl
from tools.bench.measuring.settings import default_data

__all__ = ["OnRay", "measure_ray"]

LANES = 4
STORE = 256 << 20  #: bytes of Ray's object store
AHEAD = 64 << 20  #: bytes that actors may be ahead; they are read before a measurement begins
LEAST = 4 * AHEAD  #: bytes on their way in a measurement: what lies ready says nothing of a rate
POSITION = 2100  #: bytes of a packed position on its way


class Way(NamedTuple):
    """What is on its way: layout of batches, rows of one, and the node that lanes leave behind."""

    layout: str
    size: int
    cut: str | None

    def batches(self, batch: Mapping[str, NDArray[Any]], nbytes: int) -> int:
        """How many batches are so many bytes on their way."""
        one = sum(array.nbytes for array in batch.values()) if self.cut else self.size * POSITION
        return -(-nbytes // one)


WAYS = {
    "packed positions, tensors made here": Way("tensors", 256, None),
    "tensors": Way("tensors", 256, "batch"),
    "bits": Way("bits", 1024, "batch"),
}


class OnRay(NamedTuple):
    """Medians of neighbouring turns, actors over this process."""

    name: str
    rate: float
    cpu: float


def graph_of(data: str, way: Way) -> fl.Graph:
    """Chess in lanes."""
    games = fl.discover(data) >> fl.read("lc0") >> fl.shard(lanes=LANES) >> fl.shuffle_pool(400)
    return games >> fl.unpack(rate=0.2) >> fl.reservoir(4000) >> fl.batch(way.size, layout=way.layout)


def turn(run: Any, way: Way, batches: int) -> tuple[float, float]:
    """Batches/s, and seconds of CPU of all processes a batch."""
    first = next(run)
    for _ in range(way.batches(first, AHEAD)):
        next(run)
    count = max(batches, way.batches(first, LEAST))
    began, cpu = perf_counter(), run.stats().cpu_time
    for _ in range(count):
        next(run)
    seconds = perf_counter() - began
    return count / seconds, (run.stats().cpu_time - cpu) / count


def measure_ray(batches: int, rounds: int, cpus: int, tell: Callable[[str], None]) -> list[OnRay]:
    """Every way beside the same lanes in this process, told and returned; on a cluster of this machine."""
    data = default_data()
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=STORE, log_to_driver=False)
    found = []
    try:
        for name, way in WAYS.items():
            graph = graph_of(data, way)
            pairs = []
            for _ in range(rounds):
                with graph.iterate(epochs=None, cpus=cpus) as run:
                    here = turn(run, way, batches)
                with graph.on_ray(workers=2, epochs=None, cut=way.cut, bytes_ahead=AHEAD) as run:
                    pairs.append((turn(run, way, batches), here))
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
