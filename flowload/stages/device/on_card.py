"""Blocks of tensors on a card, and what must happen before anybody uses them.

What fills a tensor on a card is queued in some stream, and may not have happened. So a block on a card
carries events. Whoever takes it lets the current stream of its thread wait for them, and tells the allocator
that this stream uses the tensors: else their memory would be used again too early. Imports torch: see `cuda`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray

from flowload.abc.operators import Block
from flowload.blocks import Batch, Item, check_rows

from .card_memory import Copied
from .tensor import as_tensor

__all__ = ["CudaBatch", "CudaItem", "Events", "events_of", "hand_over", "is_on_card", "joined", "wrapped"]

Events: TypeAlias = "tuple[torch.cuda.Event, ...]"


@dataclass(frozen=True, slots=True)
class CudaBatch(Batch):
    """Tensors that streams may still be filling; `dataclasses.replace` makes others of it, as safe as these.

    `ready`: complete when they are filled. `copies`: those that its tensors came from, told who uses them.
    """

    ready: Events = field(compare=False, kw_only=True)
    copies: tuple[Copied, ...] = field(default=(), compare=False, repr=False, kw_only=True)

    def deliver(self) -> dict[str, Any]:
        """The tensors, safe in the current stream of the calling thread."""
        tensors = {**self.arrays, **self.whole}
        hand_over(tensors.values(), self.ready, self.copies)
        return tensors

    def select(self, which: NDArray[Any] | slice) -> Batch:
        """The rows that an index array, a mask or a slice names, taken in the calling thread's stream."""
        check_rows(self)
        rows = which if isinstance(which, slice) else torch.as_tensor(which)
        arrays = {
            key: tensor[rows if isinstance(tensor, torch.Tensor) else which]
            for key, tensor in self.deliver().items()
        }
        return replace(self, arrays=arrays, ready=events_of(on_cards(arrays)))


@dataclass(frozen=True, slots=True)
class CudaItem(Item):
    """A value of the user's with tensors that streams may still be filling."""

    ready: Events = field(compare=False, kw_only=True)

    def deliver(self) -> Any:
        """The value, safe in the current stream of the calling thread."""
        hand_over(on_cards(self.value), self.ready)
        return self.value


def is_on_card(value: object) -> bool:
    """Whether a value is a tensor on a card."""
    return isinstance(value, torch.Tensor) and value.is_cuda


def on_cards(value: Any) -> Iterator[torch.Tensor]:
    """The tensors on cards of a value: itself, or those in dicts, lists and tuples."""
    if isinstance(value, torch.Tensor):
        if value.is_cuda:
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from on_cards(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from on_cards(part)


def hand_over(values: Iterable[Any], ready: Events, copies: Iterable[Copied] = ()) -> None:
    """Make tensors safe in the current streams of the calling thread; other values need nothing.

    A wait comes before `record_stream`: memory that is freed now is freed behind the copy to it.
    """
    streams: dict[torch.device, torch.cuda.Stream] = {}
    for tensor in filter(is_on_card, values):
        if (stream := streams.get(tensor.device)) is None:
            stream = streams[tensor.device] = torch.cuda.current_stream(tensor.device)
            for event in ready:
                stream.wait_event(event)
        tensor.record_stream(stream)
    for copied in copies:
        copied.streams.update(streams.values())


def events_of(tensors: Iterable[torch.Tensor]) -> Events:
    """Events of what the calling thread has queued so far, on each card that has one of these tensors."""
    events = []
    for device in dict.fromkeys(tensor.device for tensor in tensors):
        event = torch.cuda.Event(blocking=True)
        event.record(torch.cuda.current_stream(device))
        events.append(event)
    return tuple(events)


def joined(parts: Sequence[Batch]) -> Batch:
    """The rows of several batches, one after the other, on the device of the first that is on one.

    Made in the calling thread's stream, of parts that go together.
    """
    arrays = [part.deliver() for part in parts]
    lying = (value for part in arrays for value in part.values() if isinstance(value, torch.Tensor))
    device = next(tensor.device for tensor in lying if tensor.device.type != "cpu")
    made = {
        key: torch.cat([as_tensor(part[key], key).to(device) for part in arrays]) for key in parts[0].arrays
    }
    whole = wrapped(Batch(made))
    assert isinstance(whole, Batch)  # noqa: S101 - it was one
    return whole


def wrapped(block: Block) -> Block:
    """A block that somebody else has made in this thread, with what must be waited for; others as they are.

    Whoever made it worked in the thread's current streams, or waited there.
    """
    if isinstance(block, Batch):
        events = events_of(on_cards([block.arrays, block.whole]))
        if not events:
            return block
        if isinstance(block, CudaBatch):
            return replace(block, ready=block.ready + events)
        return CudaBatch(block.arrays, block.whole, block.more, ready=events)
    if isinstance(block, Item) and (events := events_of(on_cards(block.value))):
        return CudaItem(block.value, ready=events)
    return block
