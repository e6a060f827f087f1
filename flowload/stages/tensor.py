"""Arrays as torch tensors on the same memory. Imports torch: imported only when a batch becomes tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flowload.blocks import Batch, Item
from flowload.errors import GraphError
from flowload.protocols import Block, Call

__all__ = ["as_tensor", "as_tensors", "whole_keys"]


def as_tensors(block: Block, call: Call) -> dict[str, torch.Tensor]:
    """The arrays of a batch as CPU tensors; GraphError for any other block. See `as_tensor`."""
    if isinstance(block, Batch):
        return {key: as_tensor(array, key) for key, array in block.deliver().items()}
    what = (
        f"an Item of {type(block.value).__name__}" if isinstance(block, Item) else f"a {type(block).__name__}"
    )
    raise GraphError(
        f"to_device takes batches, and block {call.number} is {what}; a map may return a dict of arrays"
    )


def whole_keys(block: Block) -> tuple[str, ...]:
    """The keys of a batch that have no row a sample."""
    return tuple(block.whole) if isinstance(block, Batch) else ()


def as_tensor(array: Any, key: str) -> torch.Tensor:
    """A tensor on the array's own memory, which it keeps alive; a tensor stays what it is.

    Copies only what torch cannot express: read-only memory, the other byte order, negative or odd strides.
    Raises GraphError for a dtype that has no tensor, such as text.
    """
    if isinstance(array, torch.Tensor):
        return array
    array = np.asarray(array)
    try:
        return torch.from_numpy(
            array if fits(array) else np.array(array, array.dtype.newbyteorder("="), order="C")
        )
    except TypeError:
        raise GraphError(
            f"to_device: {key!r} has dtype {array.dtype}, and torch has no such tensors; "
            "encode it as numbers, or leave it out before to_device"
        ) from None


def fits(array: NDArray[Any]) -> bool:
    """Whether a tensor can lie on this memory."""
    steps = all(step >= 0 and step % array.itemsize == 0 for step in array.strides)
    return steps and array.flags.writeable and array.dtype.isnative
