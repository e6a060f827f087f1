"""What windows of a large recording take in memory, measured beside what `graph.memory()` says.

The recording is one of 967,680 moments of 13,741 neurons and of 1,736 stimuli, of which almost no chunk was
written: those are given as zeros, into the same memory. Its reader is slower than any disk.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path
from time import sleep
from typing import Any, NamedTuple

import flowload as fl
from flowload.observe.stats import RunStats
from tools.bench.measuring.settings import ROOT

__all__ = ["Asked", "Found", "measure_memory"]

MOMENTS = 967_680  #: at most; enough for four windows of any size
CHUNK = 1024
SPARE = 1 << 30  #: bytes that are left to others, beside what is measured
STATUS, MEMINFO = Path("/proc/self/status"), Path("/proc/meminfo")
PATIENCE = 600  #: looks, of 0.1 s


class Asked(NamedTuple):
    """What is measured."""

    size: int = 65_536  #: rows of a window
    widths: tuple[int, ...] = (13_741, 1_736)  #: of the arrays
    prefetch: int = 2
    dtype: str = "float32"
    windows: int = 5


class Found(NamedTuple):
    """Bytes."""

    window: int  #: one
    told: int  #: by `graph.memory()`
    buffers: int  #: at most, by the run's statistics
    peak: int  #: of the process, above what it had when everything was imported and opened

    def lines(self) -> list[str]:
        """In words."""
        rows = {
            "graph.memory()": self.told,
            "buffers of the run, at most": self.buffers,
            "process, above its imports": self.peak,
        }
        found = [
            f"{name:<29}{nbytes / 1e9:6.2f} GB  {nbytes / self.window:5.2f} windows"
            for name, nbytes in rows.items()
        ]
        return [*found, f"{'one window':<29}{self.window / 1e9:6.2f} GB"]


def measure_memory(asked: Asked) -> Found:
    """Measure, in a process of its own. Raises RuntimeError where the machine has too little memory now."""
    with tempfile.TemporaryDirectory(prefix="flowload-bench-") as folder:
        for number, width in enumerate(asked.widths):
            write(Path(folder) / f"{number}.zarr", asked, width)
        told = drawn(Path(folder), asked, asked.size).memory(cpus=2)["read_windows"]
        free = number_in(MEMINFO, "MemAvailable")
        if free is not None and free < told + SPARE:
            wanted = f"{(told + SPARE) / 1e9:.1f} GB: fewer neurons (--widths), or rows (--size)"
            raise RuntimeError(f"{free / 1e9:.1f} GB of memory are free now; wanted {wanted}")
        command = [sys.executable, "-m", "tools.bench.neural.memory", folder, json.dumps(asked._asdict())]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        return Found(**json.loads(done.stdout.splitlines()[-1]))


def write(path: Path, asked: Asked, width: int) -> None:
    """An array with its first chunk alone."""
    import zarr  # noqa: PLC0415 - the child that measures needs none of it

    rows = min(MOMENTS, 4 * asked.size)
    chunk = min(CHUNK, asked.size)
    made = zarr.create_array(
        str(path), shape=(rows, width), chunks=(chunk, width), dtype="f4", compressors=None
    )
    made[:chunk] = 1


def drawn(folder: Path, asked: Asked, size: int) -> fl.Graph:
    """The windows of all arrays."""
    arrays = {f"a{number}": folder / f"{number}.zarr" for number in range(len(asked.widths))}
    dtype = None if asked.dtype == "float32" else asked.dtype
    return fl.windows(arrays, size, prefetch=asked.prefetch, dtype=dtype, count=asked.windows)


def number_in(path: Path, word: str) -> int | None:
    """Bytes behind a word of a file that counts KiB; None where the system has none."""
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(word)), None)


def child(folder: Path, asked: Asked) -> Found:
    """Read all windows, each for so long that everything that may be read ahead is."""
    with drawn(folder, asked, 8).iterate() as batches:  # imports, compiles and opens
        list(batches)
    base = number_in(STATUS, "VmHWM") or 0
    graph = drawn(folder, asked, asked.size)
    buffers = window = 0
    with graph.iterate() as batches:
        for number, batch in enumerate(batches):
            window = sum(array.nbytes for array in batch.values())
            if number < asked.windows - asked.prefetch:
                wait_until_full(batches, asked.prefetch + 1)
            buffers = max(buffers, batches.stats().buffer_bytes)
            del batch
    peak = (number_in(STATUS, "VmHWM") or 0) - base
    return Found(window, graph.memory()["read_windows"], buffers, peak)


def wait_until_full(batches: Any, windows: int) -> None:
    """Train for as long as it takes to read everything that may be read ahead."""
    done = -1
    for _ in range(PATIENCE):
        stats: RunStats = batches.stats()
        now = stats.stages["read_windows"].calls
        if stats.buffers_leased >= windows and now == done:
            return
        done = now
        sleep(0.1)


if __name__ == "__main__":
    logging.getLogger("flowload").setLevel(logging.ERROR)  # of chunks that are missing, by design
    words = json.loads(sys.argv[2])
    print(json.dumps(child(Path(sys.argv[1]), Asked(**words))._asdict()))
