"""Copies to a card in the reader's process, of memory that it page-locks and another process writes to.

Imports torch: see `tensors`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch

from flowload.abc.operators import Device
from flowload.stages.device.card_memory import BUDGET
from flowload.stages.device.cuda import ToCuda
from flowload.stages.device.on_card import CudaBatch
from flowload.stages.device.page_lock import PageLock, told_of_captures

from .numbered import NumberedTensors
from .tensors import as_parts

__all__ = ["CopiesAtReader"]


class CopiesAtReader:
    """A `Finish` that copies batches ahead, as `ToCuda` does in a run of the reader's own process.

    Args:
        index: of the card.
        prefetch: see `card_memory.ahead`.
        windows: the same of windows that batches share; None: no other number.
    """

    ahead = True

    def __init__(self, index: int, prefetch: int | None = None, *, windows: int | None = None) -> None:
        self.device: Device | None = PageLock(index)
        # Windows are what takes memory: of those the one that batches come from is known, and no other.
        self.shared = NumberedTensors(torch.device("cuda", index), budget=BUDGET if windows is None else 0)
        self.copies = ToCuda(index, prefetch, windows=windows, shared=self.shared)

    def begin(
        self,
        arrays: Mapping[str, Any],
        whole: Collection[str],
        numbers: Mapping[str, int],
        *,
        due: bool,
        waits: bool,
    ) -> CudaBatch | None:
        """Queue the copies of a batch. Raises FlowloadError while a graph is captured."""
        batch = as_parts(arrays, whole)
        self.shared.at_work(batch.whole, numbers)
        copies, memory = self.copies, self.copies.memory
        with told_of_captures():
            sizes = copies.sizes(batch)
            if due and not memory.room(sizes):
                memory.relieve()  # the reader keeps what there is, and waits for more
            elif not due and not (memory.room(sizes) and (waits or copies.at_once(sizes))):
                return None
            return copies.queue(batch)

    def deliver(self, begun: CudaBatch) -> dict[str, Any]:
        """The tensors, safe in the current stream of the calling thread."""
        with told_of_captures():
            return begun.deliver()

    def watch(self, moved: Callable[[], None]) -> None:
        """See `Finish`."""
        self.copies.watch(moved)

    def close(self) -> None:
        """No copy reads memory that is about to be unlocked, or written to."""
        self.copies.close()
        self.shared.close()
