"""Tensors that the reader's process makes of the arrays of a run in another: nobody else imports torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

from flowload.abc.operators import Block, Call
from flowload.blocks import Batch, Bundle, Item
from flowload.errors import GraphError

__all__ = ["AsArrays", "no_tensor", "not_a_batch", "tensors_of"]

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


def tensors_of() -> Callable[[Mapping[str, Any], Collection[str]], Mapping[str, Any]]:
    """What makes tensors of a batch; see `flowload.abc.powers.AtReader`. Imports torch."""
    tensor = import_module("flowload.stages.device.tensor")
    shared, at_once = tensor.SharedTensors(), import_module("torch").from_numpy

    def tensors(arrays: Mapping[str, Any], whole: Collection[str]) -> Mapping[str, Any]:
        made = {}
        for key, array in arrays.items():
            if key in whole and isinstance(array, np.ndarray) and not array.flags.writeable:
                made[key] = shared.get(array, key)
                continue
            if isinstance(array, np.ndarray) and array.flags.writeable:
                with suppress(TypeError, ValueError):  # 10 us for each array of a batch are much
                    made[key] = at_once(array)
                    continue
            made[key] = tensor.as_tensor(array, key)
        return made

    return tensors
