"""What a channel carries: blocks in their places, and marks between them."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from flowload.abc.operators import Block, Mark

__all__ = ["Cut", "Label", "Message", "NumberedBlock", "Passed", "batches_of", "weigh"]

Label: TypeAlias = tuple[int, ...]  #: of a cut: its number, and behind that those of finer cuts within it


class Cut(NamedTuple):
    """A word between blocks: here a state of the run is taken. Who passes it on has saved its own part."""

    label: Label
    ahead: int = (
        0  #: messages behind it that its reader has had already, in the run that this one goes on from
    )


class NumberedBlock(NamedTuple):
    """A block in its place: `number` counts the blocks of this stream from 0.

    The block is None where a Map made nothing of it: the place stays, so that what is keyed by
    the number downstream does not depend on which Maps share a hop.
    """

    number: int
    block: Block | None
    nbytes: int = 0  #: bytes that the block keeps alive
    samples: int = 0  #: in the block
    trail: tuple[Any, ...] = ()  #: where the stages on the way to an output stood; see `state.tail`

    @classmethod
    def of(cls, number: int, block: Block | None) -> NumberedBlock:
        """The item, weighed; in a thread, where that costs the loop nothing."""
        samples, nbytes = weigh(block)
        return cls(number, block, nbytes, samples)


def weigh(block: Block | None) -> tuple[int, int]:
    """Samples and bytes of what an operator gave. Raises TypeError where that is no block."""
    if block is None:
        return 0, 0
    try:
        return len(block), block.nbytes
    except (AttributeError, TypeError) as error:
        kind = type(block).__name__
        raise TypeError(f"gave a {kind}, which is no block: something with a length and nbytes") from error


def batches_of(message: NumberedBlock | Mark) -> int:
    """How many batches a block is made of, or will be; of a mark one, of a place without a block none.

    So it is the same whether batches go on one by one or as bundles.
    """
    if isinstance(message, Mark):
        return 1
    if message.block is None:
        return 0
    sizes = getattr(message.block, "batch_sizes", None)  # not `isinstance`: see `parts_of`
    return 1 if sizes is None else len(sizes())


Message: TypeAlias = NumberedBlock | Mark | Cut  #: what a channel carries


class Passed:
    """Totals of what went through a channel, and whether it came in order."""

    __slots__ = ("blocks", "in_order", "last", "nbytes", "samples")

    def __init__(self) -> None:
        self.blocks = 0
        self.samples = 0
        self.nbytes = 0
        self.last = -1  #: number of the last block
        self.in_order = True  #: every block had a higher number than the one before

    def note(self, item: NumberedBlock) -> None:
        """Count a block that was written."""
        self.blocks += 1
        self.samples += item.samples
        self.nbytes += item.nbytes
        if item.number <= self.last:
            self.in_order = False
        self.last = item.number
