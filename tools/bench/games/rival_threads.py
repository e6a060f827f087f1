"""No library at all: threads that take row numbers, and a queue, as a careful user writes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Full, Queue
from typing import Any

from tools.bench.measuring.loader import Batches

from .corpus import Corpus
from .gathering import RingGather
from .loaders import as_order
from .settings import Settings

__all__ = ["in_threads", "open_threads"]


@contextmanager
def open_threads(corpus: Corpus, settings: Settings) -> Iterator[Batches]:
    """Numpy, into memory that is used again."""
    gather = RingGather(corpus.folders["uint8"], settings.batch, settings.cpus)
    gather.opened()
    with in_threads(gather, as_order(corpus, settings.batch, 0), settings.cpus) as batches:
        yield batches


@contextmanager
def in_threads(make: Callable[[Any], Any], order: Iterator[Any], threads: int) -> Iterator[Batches]:
    """Call `make` for what comes, by so many threads; batches come as they are ready."""
    ready: Queue[Any] = Queue(threads + 1)
    stopped = threading.Event()
    taking = threading.Lock()

    def work() -> None:
        while not stopped.is_set():
            with taking:
                rows = next(order)
            batch = make(rows)
            while not stopped.is_set():
                try:
                    ready.put(batch, timeout=0.1)
                    break
                except Full:
                    continue

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield iter(ready.get, None)
    finally:
        stopped.set()
        for worker in workers:
            worker.join()
        while True:
            try:
                ready.get_nowait()
            except Empty:
                break
