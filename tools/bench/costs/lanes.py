"""What lanes cost in one process, and how well they mix: `python tools/bench lanes`."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from time import process_time, sleep
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import flowload as fl
from flowload.graph import Graph
from tools.bench.measuring.settings import ROOT

__all__ = ["long_passes", "measure_lanes", "steady", "tell_mixing"]

BATCH, POOL, RESERVOIR = 96, 2400, 4800

#: Bytes of tars in a pass: a training's passes take hours, so what an end of a pass costs is not measured.
PASS = 400 << 20
WARM, TURN, STILL = 72, 96, 0.03  #: batches before, batches of a turn, seconds without work


class Lanes(NamedTuple):
    """How a stream is divided."""

    lanes: int  #: 0: it is not
    across: bool = False
    reservoir: int = 20_000  #: records

    def __str__(self) -> str:
        if not self.lanes:
            return "one stream"
        return f"{self.lanes} lanes, {'rows of all' if self.across else 'batches in turn'}"


ONE = Lanes(0)
MANY = (Lanes(12), Lanes(24), Lanes(24, across=True))


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


def measure_lanes(data: str, rounds: int, tell: Callable[[str], object], reservoir: int = 20_000) -> None:
    """Tell CPU time and memory of several lanes in ratios to one stream; and how they mix."""
    with long_passes(data) as folder:
        one, *many = (how._replace(reservoir=reservoir) for how in (ONE, *MANY))
        alone = [child("alone", folder, one) for _ in range(rounds)]
        for how in many:
            ratios = [child("beside", folder, how)[0] for _ in range(rounds)]
            own = [child("alone", folder, how) for _ in range(rounds)]
            first, memory, counted = (
                median(column) / median(base)
                for column, base in zip(zip(*own, strict=True), zip(*alone, strict=True), strict=True)
            )
            tell(
                f"{how}: {median(ratios):.2f} x CPU a sample in the midst of a pass, {first:.1f} x CPU to the"
                f" first batch, {memory:.2f} x memory ({counted:.2f} x by graph.memory())"
            )
    tell_mixing(data, tell)


@contextmanager
def long_passes(data: str, nbytes: int = PASS) -> Iterator[str]:
    """A pattern for a folder in which the tars of another are named so often that they have so many bytes."""
    tars = sorted(Path(data).parent.glob(Path(data).name))
    times = -(-nbytes // sum(tar.stat().st_size for tar in tars))
    with TemporaryDirectory() as folder:
        for number in range(times):
            for tar in tars:
                Path(folder, f"{number:04}-{tar.name}").symlink_to(tar.resolve())
        yield f"{folder}/*.tar"


def tell_mixing(data: str, tell: Callable[[str], object]) -> None:
    """Tell how many games a batch is of: at most as many as it has samples."""
    tell(f"games among {BATCH} samples (pool of {POOL} games, reservoir of {RESERVOIR} samples):")
    tell(f"  one stream:               {mixed(data, 1, across=False):.1f}")
    for lanes in (12, 24):
        tell(f"  {lanes} lanes, batches in turn: {mixed(data, lanes, across=False):.1f}")
        tell(f"  {lanes} lanes, rows of all:     {mixed(data, lanes, across=True):.1f}")


def child(what: str, data: str, how: Lanes) -> list[float]:
    """What `beside` or `alone` finds in a process of its own."""
    command = [sys.executable, "-m", "tools.bench.costs.lanes", what, data, json.dumps(how)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def graph_of(data: str, how: Lanes) -> Graph:
    """From tars to tensors."""
    games = fl.discover(data) >> fl.read("lc0")
    dealt = games >> (fl.shard(0, 1, lanes=how.lanes) if how.lanes else fl.shard(0, 1))
    mixed = dealt >> fl.shuffle_pool(2000) >> fl.unpack(rate=0.3) >> fl.reservoir(how.reservoir)
    return mixed >> fl.batch(1008, drop_last=True, across_lanes=how.across)


def steady(
    data: str, hows: tuple[Lanes, ...], turns: int, *, warm: int = WARM, turn: int = TURN
) -> list[float]:
    """CPU seconds a million samples of runs that are read in turns, the first batches left out.

    In one process, and in short turns: what else the machine does is the same for all.
    """
    with ExitStack() as stack:
        runs = [stack.enter_context(graph_of(data, how).iterate(epochs=None)) for how in hows]
        found: list[list[float]] = [[] for _ in runs]
        for run in runs:
            read(run, warm)
        for number in range(turns):
            order = list(zip(runs, found, strict=True))
            for run, own in order if number % 2 else order[::-1]:
                began = process_time()
                samples = read(run, turn)
                own.append((process_time() - began) / samples * 1e6)
    return [median(own) for own in found]


def read(run: Iterator[Any], batches: int) -> int:
    """Samples of so many batches; returns when the run has made ready what it makes ahead."""
    samples = sum(len(next(run)["planes"]) for _ in range(batches))
    before = process_time()
    for _ in range(100):  # at most: something else in this process may be at work
        sleep(STILL)
        if (now := process_time()) - before < STILL / 10:
            break
        before = now
    return samples


def beside(data: str, how: Lanes, turns: int = 6) -> list[float]:
    """CPU time of a sample beside that of one stream, in the midst of a pass."""
    one, many = steady(data, (ONE._replace(reservoir=how.reservoir), how), turns)
    return [many / one]


def alone(data: str, how: Lanes, batches: int = 300) -> list[float]:
    """CPU seconds to the first batch; bytes beyond what was imported, at most; those that were estimated."""
    with graph_of(data, ONE).iterate() as run:
        next(run)  # kernels are compiled, libraries loaded
    gc.collect()
    before, began = resident(), process_time()
    graph, most = graph_of(data, how), 0
    with graph.iterate(epochs=None) as run:
        next(run)
        first = process_time() - began
        for _ in range(batches):
            next(run)
            most = max(most, resident())
    return [first, most - before, graph.memory()["total"]]


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    what, pattern, lanes = sys.argv[1:]
    found = {"beside": beside, "alone": alone}[what](pattern, Lanes(*json.loads(lanes)))
    sys.stdout.write(json.dumps(found) + "\n")
