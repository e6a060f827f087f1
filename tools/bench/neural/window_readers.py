"""Who reads windows of a recording: bare threads, flowload, and the libraries that people use today.

A reader is a context that gives a function: read so many windows, one after the other, each dropped when the
next one has come. All read ahead, into memory that is used again, by as many threads as there are CPUs.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any, TypeAlias

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer.cpu import NDBuffer
from zarr.storage import LocalStore

import flowload as fl
from flowload.runtime.memory.pool import BufferPool
from tools.bench.measuring.ring import Ring

from .recording import Corpus

__all__ = ["AHEAD", "Read", "Reader", "bare", "flowload", "libraries", "readers"]

Read: TypeAlias = Callable[[int], None]
Reader: TypeAlias = Callable[[Corpus, str, int], AbstractContextManager[Read]]

#: Writes a window to memory, or gives it in new memory.
Window: TypeAlias = Callable[[slice, NDArray[np.float32]], object]

ROTATION = 3  #: windows in turn: in hand, waiting, being read
AHEAD = 8  #: windows that may have been read before a measurement begins

PIPELINES = {
    "zarr-python": "zarr.core.codec_pipeline.BatchedCodecPipeline",
    "zarrs": "zarrs.ZarrsCodecPipeline",
}


def readers() -> dict[str, Reader]:
    """By name; those that are installed."""
    found: dict[str, Reader] = {"bare threads": bare, "flowload": flowload}
    return found | {name: partial(ahead, by=library) for name, library in libraries().items()}


def libraries() -> dict[str, Callable[[Corpus, str, int], Window]]:
    """By name; those that are installed."""
    found: dict[str, Callable[[Corpus, str, int], Window]] = {
        "zarr-python": partial(library, pipeline="zarr-python")
    }
    if find_spec("zarrs"):
        found["zarrs"] = partial(library, pipeline="zarrs")
    if find_spec("tensorstore"):
        found["tensorstore"] = tensorstore
    return found


@contextmanager
def flowload(corpus: Corpus, codec: str, cpus: int) -> Iterator[Read]:
    """Sequential windows, read ahead."""
    graph = fl.windows(corpus.path(codec), corpus.size, order="sequential")
    with graph.iterate(epochs=None, cpus=cpus) as batches:

        def read(count: int) -> None:
            for _ in range(count):
                next(batches)

        yield read


@contextmanager
def bare(corpus: Corpus, codec: str, cpus: int) -> Iterator[Read]:
    """As many threads as CPUs: positional reads, and a decoder, into windows that are used again."""
    pool = BufferPool()  # the memory that a run's own pool gives: aligned, in huge pages
    windows = deque((pool.lease(corpus.window_bytes) for _ in range(ROTATION)), maxlen=ROTATION)
    chunk = corpus.chunk * corpus.columns * 4
    number = 0

    def work(jobs: deque[int], memory: Any, first: int) -> None:
        while jobs:
            try:
                job = jobs.popleft()
            except IndexError:
                return
            out = memory[job * chunk : (job + 1) * chunk]
            fd = os.open(corpus.path(codec) / f"c/{first + job}/0", os.O_RDONLY)
            if codec == "raw":
                os.preadv(fd, [out.data], 0)
            else:
                numcodecs.Zstd().decode(os.pread(fd, os.fstat(fd).st_size, 0), out)
            os.close(fd)

    def read(count: int) -> None:
        nonlocal number
        for _ in range(count):
            jobs = deque(range(corpus.size // corpus.chunk))
            windows.rotate()
            args = (jobs, windows[0], corpus.start(number) // corpus.chunk)
            threads = [threading.Thread(target=work, args=args) for _ in range(cpus)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            number += 1

    yield read
    pool.close()


def library(corpus: Corpus, codec: str, cpus: int, *, pipeline: str) -> Window:  # noqa: ARG001 - its own threads
    """zarr-python with one of its codec pipelines; its threads are as many as it likes."""
    with zarr.config.set({"codec_pipeline.path": PIPELINES[pipeline]}):
        array: Any = zarr.open_array(LocalStore(corpus.path(codec)), mode="r")

    def window(rows: slice, memory: NDArray[np.float32]) -> object:
        return array.get_basic_selection(rows, out=NDBuffer.from_numpy_array(memory))

    return window


def tensorstore(corpus: Corpus, codec: str, cpus: int) -> Window:
    """With as many threads for I/O and data as there are CPUs."""
    import tensorstore as ts  # noqa: PLC0415 - optional

    limits = {"data_copy_concurrency": {"limit": cpus}, "file_io_concurrency": {"limit": cpus}}
    store = {"driver": "file", "path": str(corpus.path(codec))}
    array = ts.open({"driver": "zarr3", "kvstore": store, "context": limits}, read=True).result()

    def window(rows: slice, memory: NDArray[np.float32]) -> object:
        return ts.array(memory).write(array[rows].translate_to[0]).result()

    return window


@contextmanager
def ahead(
    corpus: Corpus, codec: str, cpus: int, *, by: Callable[[Corpus, str, int], Window]
) -> Iterator[Read]:
    """What a careful user of a library writes: a thread a CPU reads ahead, into memory that is used again."""
    window = by(corpus, codec, cpus)
    shape = corpus.size, corpus.columns
    memory = Ring(cpus + ROTATION, lambda: np.zeros(shape, np.float32))
    waiting: deque[Future[object]] = deque()
    numbers = itertools.count()

    def begin() -> None:
        start = corpus.start(next(numbers))
        waiting.append(threads.submit(window, slice(start, start + corpus.size), memory.next()))

    def read(count: int) -> None:
        for _ in range(count):
            while len(waiting) < cpus + 1:
                begin()
            waiting.popleft().result()

    with ThreadPoolExecutor(cpus) as threads:
        yield read
