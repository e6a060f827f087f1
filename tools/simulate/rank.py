"""One process of several: `python -m tools.simulate.rank SECONDS FILE OPTIONS-AS-JSON`; see `check`."""

from __future__ import annotations

import json
import sys
from time import perf_counter, process_time

from flowload.graph import load

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Say that the first batch is there, wait for a line, and count for a while."""
    seconds, file, options = argv
    graph = load(file, **json.loads(options))
    with graph.iterate(seed=0, epochs=None) as batches:
        next(batches)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        begun, cpu, before = perf_counter(), process_time(), batches.stats().delivered
        while (took := perf_counter() - begun) < float(seconds):
            next(batches)
        told = {
            "samples": batches.stats().delivered - before,
            "seconds": took,
            "cpu": process_time() - cpu,
        }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
