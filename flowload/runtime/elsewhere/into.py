"""The run into which lanes that are made elsewhere come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowload.abc.operators import Bytes
from flowload.processes.child import places, unpack
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.threads.monitor import RunLock

from .lane import RemoteLane

__all__ = ["Into"]


@dataclass(frozen=True)
class Into:
    """A run, as far as its lanes' workers need to know of it.

    Args:
        output: of it.
        lanes: those that are here, by number.
        run_lock: under which blocks are given to them.
        pool: for the memory of blocks.
        rounds: how many the reader has had whole, for sure.
        last_rounds: how many it may have had when it leaves, or has all that there is.
    """

    output: str
    lanes: Mapping[int, RemoteLane]
    run_lock: RunLock
    pool: BufferPool
    rounds: Callable[[], int]
    last_rounds: Callable[[], Iterable[int]]

    def unpacked(self, meta: bytes, arrays: Sequence[Bytes]) -> Any:
        """A block, its arrays copied: what carried them is free then, and they can be written to."""
        sizes = [array.nbytes for array in arrays]
        starts = places(sizes)
        memory = self.pool.lease(starts[-1], owner="lanes")
        views = [memory[start : start + size] for start, size in zip(starts, sizes, strict=False)]
        for view, array in zip(views, arrays, strict=True):
            np.copyto(view, array)
        return unpack(meta, views)
