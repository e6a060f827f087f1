"""Selected columns of a recording (T, N, 4), beside reading all of it, and beside a bare read of its chunks.

Speeds are of the bytes of the chunks that hold what was selected, whoever reads how much of them.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import zarr
from zarr.storage import LocalStore

import flowload as fl
from tools.bench.measuring.spread import Spread

__all__ = ["SELECTED", "measure_selected", "selected_rows"]

SELECTED = ("selected columns", "GB/s of chunks", "least - most", "of a bare read", "of reading everything")
COLUMNS = 4
BLOCK = 256 << 10  #: bytes that a bare thread reads at a time, into memory that stays in its cache
ROTATION = 3  #: windows in turn, as everywhere
SELECT = {"data": {"columns": 2}, "stimulus": {"columns": 1, "neurons": slice(60)}}
BARE, EVERYTHING = "bare threads, into windows", "flowload, everything"

Seconds = Callable[[int], float]  #: that reading so many windows took


def measure_selected(
    rows: int, neurons: int, chunk: int, windows: int, rounds: int, cpus: int, tell: Callable[[str], None]
) -> dict[str, list[float]]:
    """GB/s of everybody, in turn; windows are half of the recording, one after the other."""
    found: dict[str, list[float]] = {}
    size = rows // 2
    nbytes = size * neurons * COLUMNS * 4
    with written(rows, neurons, chunk) as path, ExitStack() as stack:
        everybody: dict[str, Seconds] = {
            BARE: bare(path, size, chunk, cpus, kept=True),
            "bare threads, into their caches": bare(path, size, chunk, cpus, kept=False),
            "flowload, one column and a stimulus": stack.enter_context(ours(path, size, cpus, SELECT)),
            "flowload, the same in float16": stack.enter_context(ours(path, size, cpus, SELECT, "float16")),
            EVERYTHING: stack.enter_context(ours(path, size, cpus, None)),
            "zarr-python, everything, then sliced": library(path, size),
        }
        for read in everybody.values():
            read(4)  # what was read ahead meanwhile, and memory that is fresh
        for number in range(rounds):
            for name, read in everybody.items():
                read(4)
                speed = windows * nbytes / read(windows) / 1e9
                found.setdefault(name, []).append(speed)
                tell(f"round {number + 1}/{rounds}  selected  {speed:6.2f} GB/s  {name}")
    return found


@contextmanager
def written(rows: int, neurons: int, chunk: int) -> Iterator[Path]:
    """The recording, uncompressed; it goes with the context."""
    with tempfile.TemporaryDirectory(prefix="flowload-bench-") as folder:
        path = Path(folder) / "timeseries.zarr"
        shape, chunks = (rows, neurons, COLUMNS), (chunk, neurons, COLUMNS)
        array = zarr.create_array(LocalStore(path), shape=shape, chunks=chunks, dtype="f4", compressors=None)
        rng = np.random.default_rng(0)
        for begin in range(0, rows, chunk):
            array[begin : begin + chunk] = rng.standard_normal(chunks, np.float32)
        yield path


def bare(path: Path, size: int, chunk: int, cpus: int, *, kept: bool) -> Seconds:
    """As many threads as CPUs read each chunk's bytes: to windows that are used again, or to their caches."""
    nbytes = chunk_bytes(path)
    windows = [np.zeros(size // chunk * nbytes if kept else 0, np.uint8) for _ in range(ROTATION)]

    def work(jobs: deque[int], window: Any) -> None:
        small = np.empty(BLOCK, np.uint8)
        while jobs:
            try:
                job = jobs.popleft()
            except IndexError:
                return
            begin = job * chunk // size * size // chunk  # first chunk of its window
            fd = os.open(path / f"c/{job}/0/0", os.O_RDONLY)
            if kept:
                os.preadv(fd, [window[(job - begin) * nbytes :][:nbytes].data], 0)
            else:
                for offset in range(0, nbytes, BLOCK):
                    os.preadv(fd, [small.data], offset)
            os.close(fd)

    def read(count: int) -> float:
        began = perf_counter()
        for number in range(count):
            first = number % 2 * size // chunk
            jobs = deque(range(first, first + size // chunk))
            args = (jobs, windows[number % ROTATION])
            threads = [threading.Thread(target=work, args=args) for _ in range(cpus)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return perf_counter() - began

    return read


def chunk_bytes(path: Path) -> int:
    """Of the first chunk's file."""
    return (path / "c/0/0/0").stat().st_size


@contextmanager
def ours(
    path: Path, size: int, cpus: int, select: Mapping[str, Any] | None, dtype: str | None = None
) -> Iterator[Seconds]:
    """Windows, read ahead."""
    graph = fl.windows(path, size, order="sequential", select=select, dtype=dtype)
    with graph.iterate(epochs=None, cpus=cpus) as batches:

        def read(windows: int) -> float:
            began = perf_counter()
            for _ in range(windows):
                next(batches)
            return perf_counter() - began

        yield read


def library(path: Path, size: int) -> Seconds:
    """What scripts do."""
    array: Any = zarr.open_array(LocalStore(path), mode="r")

    def read(windows: int) -> float:
        began = perf_counter()
        for number in range(windows):
            begin = number % 2 * size
            block = array[begin : begin + size]
            np.ascontiguousarray(block[:, :, 2])
            np.ascontiguousarray(block[:, :60, 1])
        return perf_counter() - began

    return read


def selected_rows(found: Mapping[str, list[float]]) -> list[tuple[str, ...]]:
    """The table: ratios are taken round by round."""
    return [
        (
            name,
            f"{Spread.of(speeds).median:.2f}",
            f"{min(speeds):.2f} - {max(speeds):.2f}",
            *(f"{100 * Spread.of(ratio(speeds, found[other])).median:.0f} %" for other in (BARE, EVERYTHING)),
        )
        for name, speeds in found.items()
    ]


def ratio(one: list[float], other: list[float]) -> list[float]:
    """Of each round."""
    return [a / b for a, b in zip(one, other, strict=True)]
