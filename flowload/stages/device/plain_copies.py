"""Copies to GPUs that torch does not call "cuda": Apple's ("mps") and Intel's ("xpu").

A call copies one batch from ordinary memory, waits until it is there, and gives the lease back. Several calls
run beside the consumer, so copies still run ahead; but nothing is page-locked, and no copy has a stream of
its own. Tensors belong to the device's default stream, as those of a `tensor.to(device)` of the user's own.

Imports torch: imported only when such a device is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from flowload.abc.operators import Block, Call
from flowload.blocks import Batch
from flowload.errors import GraphError

from .key_order import in_order
from .tensor import SharedTensors, as_batch, as_tensors

__all__ = ["PlainCopies", "find_device"]


def find_device(target: str) -> torch.device:
    """The device that "mps", "xpu" or "xpu:1" means. Raises GraphError if torch does not find it."""
    kind, _, number = target.partition(":")
    if kind == "mps":
        count = int(torch.backends.mps.is_available())
    else:
        count = torch.xpu.device_count() if torch.xpu.is_available() else 0
    index = int(number) if number else 0
    if index >= count:
        found = ", ".join(f"{kind}:{k}" for k in range(count)) or f"no {kind}"
        raise GraphError(f"to_device: device is {target!r}, but torch {torch.__version__} finds {found}")
    # Where no number is given, the device that is current in the thread: here as everywhere in torch.
    return torch.device(kind, index) if number else torch.device(kind)


class PlainCopies:
    """A map that copies a batch, and returns when it is there.

    Args:
        device: where to.
        shared: tensors of arrays that batches share; None: each for as long as its array lives.
    """

    def __init__(self, device: torch.device, shared: SharedTensors | None = None) -> None:
        self.device = device
        self.shared = SharedTensors(device, waits=True) if shared is None else shared

    def apply(self, block: Block, call: Call) -> Batch:
        """The batch on the device. Raises GraphError for what is no batch, and as `copy` does."""
        return self.copy(as_batch(block, call))

    def copy(self, batch: Batch) -> Batch:
        """The batch on the device. Raises GraphError for an array that it has no tensors for."""
        try:
            source, shared = as_tensors(batch, self.shared)
        except TypeError as error:
            raise self.refused("a shared array", error) from error
        whole = in_order({**self.copied(source.whole), **shared}, batch.whole)
        return Batch(self.copied(source.arrays), whole, more=batch.more)

    def copied(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Tensors with memory of their own, already copied."""
        copies = {}
        for key, tensor in tensors.items():
            try:
                copies[key] = tensor.to(self.device, copy=True)
            except TypeError as error:  # float64 on "mps"
                raise self.refused(repr(key), error) from error
        return copies

    def refused(self, what: str, error: TypeError) -> GraphError:
        """What to say where the device has no such numbers."""
        return GraphError(
            f"to_device: {what} cannot go to {str(self.device)!r}: {error}; convert it with fl.map before"
        )
