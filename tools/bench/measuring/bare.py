"""The roof above a graph: the call that it makes, by a bare thread a CPU, into buffers in turn."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import perf_counter, process_time
from typing import Any

import numpy as np

from flowload.abc.records import Picks
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.batches.arrays.buffer_layout import batch_bytes, split_lease
from flowload.stages.rows.selection import RowRange
from flowload.stages.rows.shuffle import drawn

from .loader import Loader, Reading
from .settings import Window

__all__ = ["Bare", "bare_loader", "random_order"]

ROTATION = 3  #: batches in turn: what a training loop has in hand, what waits, what is written


class Bare(ABC):
    """One thread, with every n-th call."""

    def __init__(self, fields: Any, size: int, place: tuple[int, int]) -> None:
        """`size` rows a call, in arrays `fields`; the thread is `place[0]` of `place[1]`."""
        self.size = size
        pool = BufferPool()  # the memory that a run's own pool gives: aligned, in huge pages
        leases = (pool.lease(batch_bytes(fields, size)) for _ in range(ROTATION))
        self.buffers = [split_lease(memory, fields, size) for memory in leases]
        self.number, self.step = place
        self.rows = 0
        self.stopped = False
        self.thread = threading.Thread(target=self.run)

    def out(self, turn: int) -> dict[str, Any]:
        """Where call number `turn` writes."""
        return self.buffers[turn // self.step % ROTATION]

    @abstractmethod
    def make(self, turn: int) -> Any:
        """What the graph's call number `turn` gives."""

    def run(self) -> None:
        """Until stopped."""
        turn = self.number
        while not self.stopped:
            self.make(turn)
            self.rows += self.size
            turn += self.step


def bare_loader(name: str, group: str, begin: Callable[[], Sequence[Bare]]) -> Loader:
    """What threads do together; made anew for every measurement."""

    def measure(window: Window) -> Reading:
        workers = begin()
        for worker in workers:
            worker.thread.start()
        try:
            threading.Event().wait(window.warm)
            rows, began, cpu = sum(worker.rows for worker in workers), perf_counter(), process_time()
            threading.Event().wait(window.seconds)
            rows, seconds = sum(worker.rows for worker in workers) - rows, perf_counter() - began
            return Reading(rows / seconds, (process_time() - cpu) / seconds)
        finally:
            for worker in workers:
                worker.stopped = True
            for worker in workers:
                worker.thread.join()

    return Loader(name, group, measure)


def random_order(count: int) -> Picks:
    """All rows, in an order as `shuffle` gives them."""
    return drawn(RowRange(0, count), np.random.default_rng(0))
