"""Reads windows slowly, in a process of its own; prints peak bytes above imports, and those of buffers.

Args: path, rows of a window, prefetch, dtype ("" for as it is stored).
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from time import sleep
from typing import Any

import flowload as fl


def peak() -> int:
    """Most bytes of memory that this process has had.

    Linux counts to `ru_maxrss` what the process had that started it, but not to VmHWM.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    told = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    unit = 1 if sys.platform == "darwin" else 1024
    return told[0] if told else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def windows(path: str, size: int, prefetch: int, dtype: str | None, count: int) -> Any:
    """Batches within windows, on the CPU."""
    graph = fl.windows(path, size, count=count, prefetch=prefetch, dtype=dtype)
    return graph >> fl.sample_within(64, steps=4, per_window=3) >> fl.to_device("cpu")


def main(path: str, size: int, prefetch: int, dtype: str | None) -> None:
    """Warm up on small windows: that imports, compiles and compares; then read large ones."""
    with windows(path, 8, prefetch, dtype, 4).iterate() as batches:
        list(batches)
    base = peak()
    graph = windows(path, size, prefetch, dtype, 8)
    most = 0
    with graph.iterate() as batches:
        for number, _ in enumerate(batches):
            if number % 3 == 0 and number < 3 * (8 - prefetch):  # a step that takes longer than any reader
                while batches.stats().buffers_leased < prefetch + 1:
                    sleep(0)
            most = max(most, batches.stats().buffer_bytes)
    told = graph.memory()["read_windows"]
    print(json.dumps({"peak": peak() - base, "buffers": most, "told": told}))  # noqa: T201 - its result


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] or None)
