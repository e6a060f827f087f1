"""What `to_device("auto")` costs in small batches where no card is: there it is built as "cpu" is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

import flowload as fl
from tools.bench.measuring.settings import ROOT

__all__ = ["Ratio", "measure_devices"]

BATCH = 64  #: samples: so small that what is done for each batch counts
DEVICES = "cpu", "auto"
FIRST = 20  #: batches before a measurement: the run has begun
TIMES = {"chess": 1, "games": 20}  #: as many batches take about as long


class Ratio(NamedTuple):
    """A pipeline behind "auto", as a multiple of the same behind "cpu": medians of neighbouring turns."""

    pipeline: str
    rate: float  #: of batches a second
    cpu: float  #: of CPU time a batch
    rates: dict[str, float]  #: samples a second, median


def measure_devices(batches: int, rounds: int, cpus: int, tell: Callable[[str], None]) -> list[Ratio]:
    """Each pipeline with both in turn, told and returned."""
    return [measured(name, times * batches, rounds, cpus, tell) for name, times in TIMES.items()]


def measured(name: str, batches: int, rounds: int, cpus: int, tell: Callable[[str], None]) -> Ratio:
    """One pipeline on the sample that ships with it."""
    graphs = {
        device: fl.load(ROOT / "pipelines" / f"{name}.py", batch_size=BATCH, device=device)
        for device in DEVICES
    }
    seen: dict[str, list[tuple[float, float]]] = {device: [] for device in DEVICES}
    for number in range(rounds + 1):
        for device in DEVICES if number % 2 else reversed(DEVICES):  # neither always comes first
            seconds = one_turn(graphs[device], batches, cpus)
            if number:  # the first compiles, or loads what was compiled
                seen[device].append(seconds)
    pairs = list(zip(*seen.values(), strict=True))
    made = Ratio(
        name,
        median(cpu[0] / auto[0] for cpu, auto in pairs),
        median(auto[1] / cpu[1] for cpu, auto in pairs),
        {device: BATCH * batches / median(each[0] for each in turns) for device, turns in seen.items()},
    )
    tell(
        f"{name}, batches of {BATCH}: 'auto' is {made.rate:.3f} x the rate of 'cpu', at {made.cpu:.3f} x its"
        f" CPU time (medians of {rounds} turns; {made.rates['auto']:,.0f} and {made.rates['cpu']:,.0f}"
        " samples/s)"
    )
    return made


def one_turn(graph: fl.Graph, batches: int, cpus: int) -> tuple[float, float]:
    """Seconds, and CPU seconds of this process, for so many batches."""
    with graph.iterate(seed=0, epochs=None, cpus=cpus) as run:
        for _ in islice(run, FIRST):
            pass
        began, work = perf_counter(), process_time()
        for _ in islice(run, batches):
            pass
        return perf_counter() - began, process_time() - work
