"""Batches whose tensors the reader's process makes: see `reader`. Here nobody imports torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowload.abc.operators import Block, Call
from flowload.blocks import Batch, Bundle, Item
from flowload.errors import GraphError

__all__ = ["AsArrays", "no_tensor", "not_a_batch"]

KINDS = frozenset("?bBhHiIlLqQefdFD")  #: codes of numpy's dtypes that torch has tensors of


class AsArrays:
    """A map that gives batches as they are, once it is known that there are tensors of their arrays."""

    def apply(self, block: Block, call: Call) -> Block:
        """The block. Raises GraphError for what is no batch, or has no tensors."""
        for batch in block.bundled if isinstance(block, Bundle) else (block,):
            if not isinstance(batch, Batch):
                raise not_a_batch(batch, call)
            for arrays in (batch.arrays, batch.whole):
                for key, array in arrays.items():
                    check(key, array)
        return block


def check(key: str, value: Any) -> None:
    """Raise GraphError for an array that has no tensor."""
    dtype = value.dtype if isinstance(value, np.ndarray) else getattr(value, "dtype", None)
    if dtype is None:
        dtype = np.asarray(value).dtype
    if isinstance(dtype, np.dtype) and dtype.char not in KINDS and dtype.name != "bfloat16":
        raise no_tensor(key, dtype)


def not_a_batch(block: object, call: Call) -> GraphError:
    """What to say of any other block."""
    what = (
        f"an Item of {type(block.value).__name__}" if isinstance(block, Item) else f"a {type(block).__name__}"
    )
    return GraphError(
        f"to_device takes batches, and block {call.number} is {what}; a map may return a dict of arrays"
    )


def no_tensor(key: str, dtype: object) -> GraphError:
    """What to say of numbers that torch does not know."""
    return GraphError(
        f"to_device: {key!r} has dtype {dtype}, and torch has no such tensors; "
        "encode it as numbers, or leave it out before to_device"
    )
