"""Copies to a GPU: page-locked sources, a stream of their own, and who may let go of what, when.

    The source     is a lease in page-locked memory; it stays alive until the copy's event has completed,
                   even if the batch is dropped before, or the copy of its next array fails.
    The copy       is queued in a stream that all runs of the process share, and runs beside the consumer's
                   kernels. Few are under way, and few batches lie on the card ahead of the consumer.
    The hand-over  happens in the consumer's thread: its current stream waits for the event, its thread
                   does not, and the allocator is told that this stream uses the tensors. See `on_card`.

Imports torch: imported only when a GPU may be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import torch

from flowload.abc.operators import Block, Call, State
from flowload.blocks import Batch, is_shared

from .card_memory import CardMemory, Copied
from .key_order import in_order
from .on_card import CudaBatch, hand_over, is_on_card, wrapped
from .page_lock import told_of_captures
from .tensor import SharedTensors, as_batch, as_tensors
from .under_way import Underway

__all__ = ["ToCuda", "copy_stream"]


@cache
def copy_stream(index: int) -> torch.cuda.Stream:
    """The stream of all copies to a card.

    One for the process: torch keeps memory by stream, so one a run would reserve all of it again each time.
    """
    return torch.cuda.Stream(torch.device("cuda", index))


class ToCuda:
    """A fold that queues the copies of batches, in order, and does not wait for them.

    A fold, for copies go one after the other anyway, and room on the card is given in the order of the
    stream: else a batch could wait for one behind it.

    Args:
        index: of the card.
        prefetch: see `card_memory.ahead`.
        windows: the same of windows that batches share; None: no other number.
        large: batches are so large, and their sources so few, that each copy is waited for: see `places`.
        shared: tensors of arrays that batches share, where no copy of one is waited for; None: each is, and
            the tensor is known for as long as its array lives.
    """

    held = 0
    memoryless = True

    def __init__(
        self,
        index: int,
        prefetch: int | None = None,
        *,
        windows: int | None = None,
        large: bool = False,
        shared: SharedTensors | None = None,
    ) -> None:
        self.device = torch.device("cuda", index)
        self.stream = copy_stream(index)
        self.large = large
        self.underway = Underway()
        self.memory = CardMemory(prefetch, windows)
        self.shared = SharedTensors(self.device) if shared is None else shared
        self.spares = shared is None  # sources of windows: each copy of one is waited for

    def push(self, block: Block, call: Call) -> list[Block]:
        """The batch on the GPU, some time; of a bundle each."""
        with told_of_captures():
            return [self.copy(batch, call) for batch in getattr(block, "bundled", (block,))]

    def copy(self, block: Block, call: Call) -> CudaBatch:
        """Queue the copies of a batch. Raises GraphError for what is no batch."""
        return self.queue(as_batch(block, call))

    def queue(self, batch: Batch) -> CudaBatch:
        """Queue the copies of a batch. What they read stays alive, also where one of them fails."""
        if not isinstance(batch, CudaBatch):  # nobody said what fills tensors that are on a card
            made = wrapped(batch)
            assert isinstance(made, Batch)  # noqa: S101 - it was one
            batch = made
        sizes = self.sizes(batch)
        self.memory.wait(sizes)
        keep: list[object] = list(self.sources(batch))
        ready = torch.cuda.Event(blocking=True)
        try:
            with torch.cuda.stream(self.stream):
                self.take(batch)
                source, shared = as_tensors(batch, self.shared)
                keep.append(source)
                arrays, own = self.copied(source.arrays), self.copied(source.whole)
        finally:
            ready.record(self.stream)
            self.underway.add(ready, keep, at_once=self.large or (self.spares and "shared" in sizes))
        copies = [self.memory.add("own", [*arrays.values(), *own.values()])] if "own" in sizes else []
        whole = in_order({**own, **shared}, batch.whole)
        copies += self.memory.shared(shared.values())
        return CudaBatch(arrays, whole, more=batch.more, ready=(ready,), copies=(*given_by(batch), *copies))

    def sources(self, batch: Batch) -> Iterator[object]:
        """What copies of a batch read. Not what lies on the card: its page-locked source may go."""
        if isinstance(batch, CudaBatch):
            yield batch
        yield from batch.arrays.values()
        yield from (array for array in batch.whole.values() if not self.lies_there(array))

    def lies_there(self, array: Any) -> bool:
        """Whether it is shared by batches, and was copied for one before."""
        return is_shared(array) and self.shared.knows(array)

    def take(self, batch: Batch) -> None:
        """Let the current stream wait for tensors that are on a card already."""
        if isinstance(batch, CudaBatch):
            hand_over([*batch.arrays.values(), *batch.whole.values()], batch.ready, batch.copies)

    def copied(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Copies that are under way, in the current stream."""
        return {key: tensor.to(self.device, non_blocking=True) for key, tensor in tensors.items()}

    def sizes(self, batch: Batch) -> dict[str, int]:
        """Bytes that a batch needs on the card, by kind: see `Copied`."""
        own = shared = 0
        for array in batch.whole.values():
            shared += array.nbytes if is_shared(array) and not self.lies_there(array) else 0
        for array in (*batch.arrays.values(), *(a for a in batch.whole.values() if not is_shared(a))):
            there = is_on_card(array) and array.device == self.device
            own += 0 if there else getattr(array, "nbytes", 0)
        return {kind: size for kind, size in (("own", own), ("shared", shared)) if size}

    def at_once(self, sizes: Mapping[str, int]) -> bool:
        """Whether copies of so many bytes, by kind, can be queued without waiting for anything."""
        return self.underway.room() and not self.memory.waits(sizes)

    def room(self, block: Block) -> bool:
        """See `Paced`."""
        first = getattr(block, "bundled", (block,))[0]
        return not isinstance(first, Batch) or self.memory.room(self.sizes(first))

    def began(self, block: Block) -> None:
        """See `Paced`; what it takes is counted when it is copied, for blocks come one at a time."""

    def watch(self, moved: Callable[[], None]) -> None:
        """See `Paced`."""
        self.memory.moved = moved

    def relieve(self) -> None:
        """See `Paced`."""
        self.memory.relieve()

    def flush(self, call: Call) -> list[Block]:  # noqa: ARG002 - the shape of a Fold
        """No blocks: this fold holds nothing."""
        return []

    def state(self) -> State:
        """Empty: this fold holds nothing between blocks."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to restore: this fold holds nothing between blocks."""

    def close(self) -> None:
        """No copy reads memory that is about to be unlocked."""
        self.memory.moved = lambda: None
        self.shared = SharedTensors(self.device)
        self.underway.finish()


def given_by(batch: Batch) -> tuple[Copied, ...]:
    """The copies that a batch came from which is on a card already."""
    return batch.copies if isinstance(batch, CudaBatch) else ()
