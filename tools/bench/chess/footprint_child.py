"""A process that streams for a while, and tells how much memory that took: JSON in, JSON out."""

from __future__ import annotations

import json
import mmap
import resource
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter, sleep

import flowload as fl
from flowload.graph.faces import Batches
from flowload.sample import sample_path
from tools.bench.measuring.settings import Settings, Work

from .graphs import draw

__all__ = ["main"]

PAGES = Path("/proc/self/statm")
STATUS = Path("/proc/self/status")
PEAK = "VmHWM:"  #: Linux keeps the peak itself
RESET = Path("/proc/self/clear_refs"), "5"  #: and begins anew when it is told so

LOOK, STILL = 0.05, 3  #: seconds between looks in a pause, and how many of them must find the same


def main(order: str) -> None:
    """Measure, and print."""
    given = json.loads(order)
    settings, work = Settings(**given["settings"]), Work(given["rate"], given["layout"])
    imported = resident()
    # The same kernels on a little: their code and the compiler's library are nobody's stream.
    small = replace(settings, data=str(min(sample_path("chess").glob("*.tar"))), batch=8, reservoir=8)
    with draw(small, work).iterate(cpus=settings.cpus) as batches:
        next(batches)
    loaded = resident()
    graph = draw(settings, work)
    first, second = halves(graph, settings)
    said = graph.memory(cpus=settings.cpus, epochs=None)
    found = {
        "imported": imported,
        "loaded": loaded,
        "first_half": first,
        "second_half": second,
        "estimate": said.pop("total"),
        "stages": said,
    }
    print(json.dumps(found))


def halves(graph: fl.Graph, settings: Settings) -> tuple[int, int]:
    """The most memory in each half of a stream."""
    with graph.iterate(epochs=None, cpus=settings.cpus) as batches:
        return most(batches, settings), most(batches, settings)


def most(batches: Batches, settings: Settings) -> int:
    """The most memory while batches are taken for a while, as fast as they come, with a pause a round.

    In a pause all queues fill: what a consumer finds that is slower than the graph is the most.
    """
    place, word = RESET
    if place.exists():
        place.write_text(word, encoding="ascii")
    seen, began, pauses = 0, perf_counter(), 0
    for _ in batches:
        seen = max(seen, resident())
        if perf_counter() - began > settings.seconds * (pauses + 1) / settings.rounds:
            rest(batches)
            pauses += 1
        if pauses == settings.rounds:
            break
    return max(seen, peak())


def rest(batches: Batches) -> None:
    """Take nothing until nothing moves."""
    served, still = -1, 0
    while still < STILL:
        sleep(LOOK)
        moved = sum(stage.blocks_out for stage in batches.stats().stages.values())
        still = still + 1 if moved == served else 0
        served = moved


def resident() -> int:
    """Bytes now; where the system does not tell, the most so far (in bytes on macOS)."""
    if PAGES.exists():
        return mmap.PAGESIZE * int(PAGES.read_text(encoding="ascii").split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak() -> int:
    """The most bytes since the reset; 0 where the system does not tell."""
    if not STATUS.exists():
        return 0
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(PEAK)), 0)


if __name__ == "__main__":
    main(sys.argv[1])
