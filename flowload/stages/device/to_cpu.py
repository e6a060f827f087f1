"""Batches as tensors in the memory where they are."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from flowload.abc.operators import Block, Call
from flowload.blocks import Batch, Bundle

from .key_order import in_order

if TYPE_CHECKING:
    from .tensor import SharedTensors

__all__ = ["ToCpu"]


class ToCpu:
    """Shows arrays as tensors on the same memory; arrays that batches share are copied, once."""

    @cached_property
    def shared(self) -> SharedTensors:
        """Made in a call: it imports torch, beside the stages above."""
        from .tensor import SharedTensors  # noqa: PLC0415

        return SharedTensors()

    def apply(self, block: Block, call: Call) -> Batch | Bundle:
        """The tensors of a batch, or of several; GraphError for what is no batch, or has no tensor."""
        if not isinstance(block, Bundle):
            return self.tensors(block, call)
        from .tensor import Like, as_batch  # noqa: PLC0415 - imports torch

        first, *others = (as_batch(batch, call) for batch in block.bundled)
        made = [self.tensors(first, call)]
        like = Like(first, made[0])
        made += [like.made(batch) if like.suits(batch) else self.tensors(batch, call) for batch in others]
        return Bundle(tuple(made), block.nbytes, block.samples)

    def tensors(self, block: Block, call: Call) -> Batch:
        """The tensors of one batch, by name."""
        from .tensor import as_batch, as_tensors  # noqa: PLC0415 - imports torch

        batch = as_batch(block, call)
        if hasattr(batch, "ready"):  # it comes from a card, and is waited for
            batch = at_home(batch)
        own, shared = as_tensors(batch, self.shared)
        return Batch(own.arrays, in_order({**own.whole, **shared}, batch.whole), more=batch.more)


def at_home(batch: Batch) -> Batch:
    """The same batch with its tensors on the CPU."""
    made = {key: value.cpu() if hasattr(value, "cpu") else value for key, value in batch.deliver().items()}
    return Batch(
        {key: made[key] for key in batch.arrays}, {key: made[key] for key in batch.whole}, batch.more
    )
