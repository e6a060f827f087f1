"""What a run in a process of its own costs beside one in this process, and a map in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Any, NamedTuple

import flowload as fl
from flowload.formats.games.cache import Games
from flowload.sample import sample_path
from tools.bench.costs.leases import leased, owned
from tools.bench.costs.maps import through

__all__ = ["Elsewhere", "measure_elsewhere", "measure_way"]

FIRST = 64 << 20  #: bytes before each measurement: what lay ready while others were measured is gone then
LEAST, MOST = 1 << 30, 4000  #: bytes of a measurement, where that are no more batches
STILL = 0.05  #: seconds in which nobody works any more who was measured before


def frames() -> fl.Graph:
    """Chess before it is encoded: 2 KB a frame."""
    chunks = fl.discover(sample_path("chess") / "*.tar") >> fl.read("lc0") >> fl.shuffle_pool(50_000)
    return chunks >> fl.unpack() >> fl.reservoir(20_000)


#: Whole jobs, but for what makes tensors of them.
JOBS: Mapping[str, Callable[[], fl.Graph]] = {
    "chess, tensors": lambda: frames() >> fl.batch(256, layout="tensors"),
    "chess, bits": lambda: frames() >> fl.batch(1024, layout="bits"),
    "chess, packed frames": frames,
    "games": lambda: fl.rows(Games(sample_path("games"))) >> fl.shuffle() >> fl.batch(1024),
}
#: Batches that cost nothing but their way.
WAYS: Mapping[str, Callable[[], fl.Graph]] = {
    "64 KiB": lambda: leased(64 << 10),
    "8 MiB": lambda: leased(8 << 20),
    "8 MiB of a user's own array": lambda: owned(8 << 20),
}


class Turn(NamedTuple):
    """One measurement."""

    rate: float  #: batches/s
    cpu: float  #: seconds of CPU of both processes


class Elsewhere(NamedTuple):
    """Medians of neighbouring turns over those of a run in this process."""

    name: str
    rate: float  #: of a run in a process of its own
    cpu: float  #: of both processes, over all turns
    later: float  #: seconds by which its first batch comes later
    mapped: float | None  #: rate of a run here whose batches go through a map in two worker processes

    def __str__(self) -> str:
        mapped = (
            "" if self.mapped is None else f"; through a map in two processes {self.mapped:.2f} x the rate"
        )
        return (
            f"{self.name}: in a process of its own {self.rate:.2f} x the rate, {self.cpu:.2f} x the CPU time,"
            f" the first batch {self.later:.1f} s later{mapped}"
        )


def cpu_time(run: Any, *, process: bool) -> float:
    """Of this process, and of the one that has the run."""
    return process_time() + (run.stats().cpu_time if process else 0.0)


def turn(run: Any, batches: int, *, process: bool) -> Turn:
    """Read so many batches, and more where they are small, and let each go."""
    nbytes = size_of(next(run))
    for _ in range(4 + min(MOST, FIRST // nbytes)):
        next(run)
    batches = max(batches, min(MOST, LEAST // nbytes))
    began, cpu = perf_counter(), cpu_time(run, process=process)
    for _ in range(batches):
        next(run)
    return Turn(batches / (perf_counter() - began), cpu_time(run, process=process) - cpu)


def size_of(batch: Any) -> int:
    """Its bytes, at least one."""
    if isinstance(batch, dict):
        return int(max(1, sum(each.nbytes for each in batch.values())))
    return int(max(1, batch.nbytes))


def settle(runs: Iterable[Any]) -> None:
    """Wait until those that were read have filled up what is read ahead, and work no more."""
    used = -1.0
    while (now := process_time() + sum(run.stats().cpu_time for run in runs)) - used > STILL / 5:
        used = now
        sleep(STILL)


def turns(graphs: Mapping[str, fl.Graph], batches: int, rounds: int, cpus: int) -> dict[str, list[Turn]]:
    """All runs are open at once, and read in turn: what disturbs the machine disturbs all.

    Args:
        graphs: by name; "child" has a process of its own.
        batches: of a turn.
        rounds: turns of each.
        cpus: that each keeps to.
    """
    with ExitStack() as stack:
        runs = {
            name: stack.enter_context(graph.iterate(epochs=None, cpus=cpus, process=name == "child"))
            for name, graph in graphs.items()
        }
        found: dict[str, list[Turn]] = {name: [] for name in runs}
        for number in range(rounds):
            for name in runs if number % 2 else reversed(runs):  # none always comes first
                settle([run for other, run in runs.items() if other == "child"])
                found[name].append(turn(runs[name], batches, process=name == "child"))
    return found


def later(graph: fl.Graph, rounds: int, cpus: int) -> float:
    """Seconds by which the first batch comes later, of runs that are opened in turn."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for process, seconds in found.items():
            began = perf_counter()
            with graph.iterate(epochs=None, cpus=cpus, process=process) as run:
                next(run)
                seconds.append(perf_counter() - began)
    return median(there - here for here, there in zip(found[False], found[True], strict=True))


def ways_of(graph: fl.Graph, *, batches: bool) -> dict[str, fl.Graph]:
    """A job in this process, in one of its own, and with a map in worker processes, which takes batches."""
    if not batches:
        return {"here": graph, "child": graph}
    mapped = graph >> fl.map(through, executor="process", workers=2) >> fl.to_device("cpu")
    graph = graph >> fl.to_device("cpu")
    return {"here": graph, "child": graph, "map": mapped}


def measure_elsewhere(batches: int, rounds: int, cpus: int, tell: Callable[[str], None]) -> list[Elsewhere]:
    """Every job each way in turn, told and returned."""
    made = []
    for name, drawn in JOBS.items():
        ways = ways_of(drawn(), batches=drawn is not frames)
        found = turns(ways, batches, rounds, cpus)
        ratios = {
            way: median(there.rate / here.rate for there, here in zip(each, found["here"], strict=True))
            for way, each in found.items()
        }
        cpu = sum(each.cpu for each in found["child"]) / sum(each.cpu for each in found["here"])
        first = later(ways["here"], min(rounds, 3), cpus)
        one = Elsewhere(name, ratios["child"], cpu, first, ratios.get("map"))
        tell(f"{one} (medians of {rounds} turns)")
        made.append(one)
    return made


def measure_way(batches: int, rounds: int, cpus: int, tell: Callable[[str], None]) -> dict[str, float]:
    """What a batch's way takes longer than here, in seconds."""
    made = {}
    for name, drawn in WAYS.items():
        found = turns({"here": drawn(), "child": drawn()}, batches, rounds, cpus)
        pairs = zip(found["child"], found["here"], strict=True)
        made[name] = median(1 / there.rate - 1 / here.rate for there, here in pairs)
        here = median(1 / each.rate for each in found["here"])
        tell(f"the way alone, {name}: {made[name] * 1e6:.0f} us a batch more than {here * 1e6:.0f} us")
    return made
