"""A process that reads a packing once, tells what that took, and waits until it has been looked at."""

from __future__ import annotations

import json
import sys
from time import perf_counter

import numpy as np

import flowload as fl
from flowload.formats.games.packed import PackedGames
from tools.bench.measuring.anonymous import anonymous

__all__ = ["main"]


def main(order: str) -> None:
    """Measure, and print."""
    given = json.loads(order)
    warm_up()
    before = anonymous()
    records = PackedGames(given["folder"])
    began = perf_counter()
    records.open().close()
    opened = perf_counter() - began
    peak, rows = before, 0
    graph = fl.rows(records) >> fl.shuffle() >> fl.batch(given["batch"])
    with graph.iterate(cpus=given["cpus"]) as batches:
        began = perf_counter()
        for batch in batches:
            rows += len(batch["outputs"])
            peak = max(peak, anonymous())
        rate = rows / (perf_counter() - began)
    found = {"opened": opened, "rate": rate, "before": before, "peak": peak}
    print(json.dumps(found), flush=True)
    sys.stdin.readline()


def warm_up() -> None:
    """The same stages on next to nothing: their code and the compiler's library are nobody's stream."""
    arrays = {"x": np.zeros((8, 193), np.float32)}
    with (fl.rows(arrays) >> fl.shuffle() >> fl.batch(4)).iterate() as batches:
        list(batches)


if __name__ == "__main__":
    main(sys.argv[1])
