"""What lanes cost in one process, and how well they mix: `python tools/bench lanes`."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from statistics import mean, median

import numpy as np
from numpy.typing import NDArray

import flowload as fl
from tools.bench.measuring.settings import ROOT

__all__ = ["measure_lanes", "tell_mixing"]

BATCH, POOL, RESERVOIR = 96, 2400, 4800


def games_of(data: str, lane: int, lanes: int) -> NDArray[np.int64]:
    """The games that a lane's samples are of, in their order: a number for each game."""
    games = fl.discover(data) >> fl.read("lc0") >> fl.shard(lane, lanes) >> fl.shuffle_pool(POOL // lanes)
    graph = games >> fl.unpack() >> fl.reservoir(RESERVOIR // lanes)
    found = [np.empty(0, np.int64)]
    names: dict[str, int] = {}
    with graph.iterate(seed=0, epochs=4, even="allow") as blocks:
        for frames in blocks:
            files = np.array([names.setdefault(file.path, len(names)) for file in frames.sources])
            found.append(files[frames.origin["source"]] * (1 << 32) + frames.origin["chunk"])
    return np.concatenate(found)


def mixed(data: str, lanes: int, *, across: bool) -> float:
    """How many games the samples of a batch are of, in the mean of all batches."""
    own = [games_of(data, lane, lanes) for lane in range(lanes)]
    size = BATCH // lanes if across else BATCH
    rounds = [
        [lane[first : first + size] for lane in own] for first in range(0, min(map(len, own)) - size, size)
    ]
    batches = (
        [np.concatenate(each) for each in rounds] if across else [one for each in rounds for one in each]
    )
    return mean(len(np.unique(batch)) for batch in batches)


def measure_lanes(data: str, rounds: int, tell: Callable[[str], object]) -> None:
    """Tell time, CPU time and memory of 12 and 24 lanes in ratios to one stream; and how they mix."""
    costs: dict[int, list[list[float]]] = {0: [], 12: [], 24: []}
    for _ in range(rounds):
        for lanes, found in costs.items():
            found.append(child(data, lanes))
    one = [median(column) for column in zip(*costs[0], strict=True)]
    for lanes in (12, 24):
        own = [median(column) for column in zip(*costs[lanes], strict=True)]
        time, cpu, memory = (a / b for a, b in zip(own, one, strict=True))
        tell(f"{lanes} lanes in one process: {time:.2f} x the time, {cpu:.2f} x CPU, {memory:.2f} x memory")
    tell_mixing(data, tell)


def tell_mixing(data: str, tell: Callable[[str], object]) -> None:
    """Tell how many games a batch is of: at most as many as it has samples."""
    tell(f"games among {BATCH} samples (pool of {POOL} games, reservoir of {RESERVOIR} samples):")
    tell(f"  one stream:               {mixed(data, 1, across=False):.1f}")
    for lanes in (12, 24):
        tell(f"  {lanes} lanes, batches in turn: {mixed(data, lanes, across=False):.1f}")
        tell(f"  {lanes} lanes, rows of all:     {mixed(data, lanes, across=True):.1f}")


def child(data: str, lanes: int) -> list[float]:
    """Seconds and CPU seconds a million frames, and MB at most, of a process of its own."""
    command = [sys.executable, "-m", "tools.bench.costs.lanes", data, str(lanes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def cost(data: str, lanes: int, epochs: int = 20) -> list[float]:
    """See `child`."""
    from time import perf_counter  # noqa: PLC0415 - a child's alone

    games = fl.discover(data) >> fl.read("lc0") >> (fl.shard(0, 1, lanes=lanes) if lanes else fl.shard(0, 1))
    mixed = games >> fl.shuffle_pool(2000) >> fl.unpack(rate=0.3) >> fl.reservoir(20_000)
    graph = mixed >> fl.batch(1024, drop_last=True)
    with graph.iterate(epochs=8) as batches:  # kernels are compiled
        next(batches, None)
    before, began, frames = cpu_seconds(), perf_counter(), 0
    with graph.iterate(epochs=epochs) as batches:
        for batch in batches:
            frames += len(batch["planes"])
    millions = max(frames, 1) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [(perf_counter() - began) / millions, (cpu_seconds() - before) / millions, peak]


def cpu_seconds() -> float:
    """Of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.stdout.write(json.dumps(cost(sys.argv[1], int(sys.argv[2]))) + "\n")
