"""A process that opens packed molecules, reads them once, and tells what that took."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter

import flowload as fl
from flowload.formats.molecules.packed import PackedMolecules
from flowload.sample import sample_path
from tools.bench.measuring.anonymous import anonymous

__all__ = ["main"]


def main(order: str) -> None:
    """Measure, and print."""
    given = json.loads(order)
    stream(sample_path("molecules"), given)  # kernels and the compiler's library are nobody's stream
    before = anonymous()
    began = perf_counter()
    PackedMolecules(given["folder"]).open()
    opened = perf_counter() - began
    molecules, peak, seconds = stream(Path(given["folder"]), given)
    found = {"opened": opened, "rate": molecules / seconds, "before": before, "peak": max(before, peak)}
    print(json.dumps({**found, "molecules": molecules}))


def stream(folder: Path, given: dict[str, int]) -> tuple[int, int, float]:
    """One pass: molecules, the most anonymous memory, seconds."""
    molecules = peak = 0
    records = PackedMolecules(folder, given["num_atoms"], "batch")
    graph = fl.rows(records) >> fl.shuffle() >> fl.bucket(4096) >> fl.batch(given["batch"])
    began = perf_counter()
    with graph.iterate(cpus=given["cpus"]) as batches:
        for number, batch in enumerate(batches):
            molecules += len(batch["E"])
            if number % 64 == 0:
                peak = max(peak, anonymous())
    return molecules, peak, perf_counter() - began


if __name__ == "__main__":
    main(sys.argv[1])
