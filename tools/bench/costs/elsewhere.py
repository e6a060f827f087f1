"""What a run in a process of its own costs beside one in this process: rate, CPU time, first batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

import flowload as fl
from tools.bench.measuring.settings import ROOT

__all__ = ["Elsewhere", "measure_elsewhere"]

#: Pipelines, with what their batches are.
GRAPHS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "chess, tensors": ("chess", {"layout": "tensors", "batch_size": 256}),
    "chess, bits": ("chess", {"layout": "bits", "batch_size": 1024}),
    "games": ("games", {"batch_size": 1024}),
}
FIRST = 4  #: batches before a measurement


class Turn(NamedTuple):
    """One measurement."""

    first: float  #: seconds until the first batch
    rate: float  #: batches/s behind that
    cpu: float  #: seconds of CPU of both processes for those batches


class Elsewhere(NamedTuple):
    """Medians of neighbouring turns, a process of its own over this one."""

    name: str
    rate: float
    cpu: float
    later: float  #: seconds by which the first batch comes later


def cpu_time(run: Any, *, process: bool) -> float:
    """Of this process, and of the one that has the run."""
    return process_time() + (run.stats().cpu_time if process else 0.0)


def turn(graph: fl.Graph, batches: int, cpus: int, *, process: bool) -> Turn:
    """Read so many batches, and let each go."""
    began = perf_counter()
    with graph.iterate(epochs=None, cpus=cpus, process=process) as run:
        next(run)
        first = perf_counter() - began
        for _ in range(FIRST):
            next(run)
        began, cpu = perf_counter(), cpu_time(run, process=process)
        for _ in range(batches):
            next(run)
        seconds, cpu = perf_counter() - began, cpu_time(run, process=process) - cpu
    return Turn(first, batches / seconds, cpu)


def measure_elsewhere(batches: int, rounds: int, cpus: int, tell: Callable[[str], None]) -> list[Elsewhere]:
    """Every graph both ways in turn, told and returned."""
    found = []
    for name, (pipeline, options) in GRAPHS.items():
        graph = fl.load(ROOT / "pipelines" / f"{pipeline}.py", device="cpu", **options)
        turns: dict[bool, list[Turn]] = {False: [], True: []}
        for number in range(rounds + 1):
            for process in (False, True) if number % 2 else (True, False):  # neither always comes first
                made = turn(graph, batches, cpus, process=process)
                if number:  # the first compiles, or loads what was compiled
                    turns[process].append(made)
        pairs = list(zip(turns[True], turns[False], strict=True))
        one = Elsewhere(
            name,
            median(there.rate / here.rate for there, here in pairs),
            median(there.cpu / here.cpu for there, here in pairs),
            median(there.first - here.first for there, here in pairs),
        )
        tell(
            f"{name}: in a process of its own {one.rate:.2f} x the rate, {one.cpu:.2f} x the CPU time,"
            f" the first batch {one.later:.1f} s later (medians of {rounds} turns)"
        )
        found.append(one)
    return found
