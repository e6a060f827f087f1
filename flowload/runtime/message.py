"""What a channel carries: blocks in their places, and marks between them."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from flowload.abc.operators import Block, Mark

__all__ = ["Message", "NumberedBlock", "weigh"]


class NumberedBlock(NamedTuple):
    """A block in its place: `number` counts the blocks of this stream from 0.

    The block is None where a Map made nothing of it: the place stays, so that what is keyed by
    the number downstream does not depend on which Maps share a hop.
    """

    number: int
    block: Block | None
    nbytes: int = 0  #: bytes that the block keeps alive
    samples: int = 0  #: in the block

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


Message: TypeAlias = NumberedBlock | Mark  #: what a channel carries
