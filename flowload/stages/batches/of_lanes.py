"""Where the lanes of a stream come together in batches: one of each lane in turn, or rows of all in one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias, cast

from flowload.abc.operators import Block
from flowload.blocks import Rows
from flowload.errors import GraphError

from .arrays.collate import BatchParts, Part
from .arrays.written import Written, merged

__all__ = ["Join", "across", "in_turn", "share_of"]

Join: TypeAlias = Callable[
    [Sequence[Block]], Sequence[Block]
]  #: what a round becomes: one block of each lane


def share_of(size: int, lanes: int) -> int:
    """Rows of each lane in a batch of all. Raises GraphError for a batch that lanes cannot share alike."""
    if size % lanes:
        raise GraphError(
            f"batch: size is {size}; with across_lanes=True each of {lanes} lanes gives as many samples"
            f" of it: wanted a multiple of {lanes}, such as {max(1, round(size / lanes)) * lanes}"
        )
    return size // lanes


def across(blocks: Sequence[Block]) -> Sequence[Block]:
    """The rows of all lanes, in the order of lanes, as one batch."""
    if len(blocks) == 1:
        return blocks
    parts: list[Part] = []
    for block in blocks:
        # What was written already is copied from there; see `CollateRefilled`.
        parts += [cast("Part", block)] if isinstance(block, Written) else cast("BatchParts", block).parts
    return [BatchParts(tuple(merged(parts)))]


def in_turn(size: int, together: Callable[[Part, int], int]) -> Join:
    """The batches of all lanes one after the other; small ones of rows go on as one block.

    Args:
        size: samples of a full batch.
        together: how many batches of such rows are made at once.
    """
    return partial(bundled, size=size, together=together)


def bundled(blocks: Sequence[Block], *, size: int, together: Callable[[Part, int], int]) -> Sequence[Block]:
    """A round, in as few blocks as its kernels make at once."""
    rows = list(full_rows(blocks, size))
    if len(rows) < len(blocks) or any(part.origin is not rows[0].origin for part in rows):
        return blocks
    most = max(1, together(rows[0], size))
    if most == 1:
        return blocks
    found = []
    for first in range(0, len(rows), most):
        (part,) = merged(rows[first : first + most])
        found.append(BatchParts((part,), size if len(part) > size else None))
    return found


def full_rows(blocks: Sequence[Block], size: int) -> Iterator[Rows]:
    """The rows of each full batch that is of one part."""
    for block in blocks:
        if (
            isinstance(block, BatchParts)
            and len(block) == size
            and block.size is None
            and len(block.parts) == 1
        ):
            part = block.parts[0]
            if isinstance(part, Rows):
                yield part
