"""Arrays as torch tensors on the same memory. Imports torch: imported only when a batch becomes tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flowload.abc.operators import Block, Call
from flowload.blocks import Batch, is_shared
from flowload.errors import FlowloadError

from .at_reader import no_tensor, not_a_batch
from .shared_arrays import Shared

__all__ = ["Like", "SharedTensor", "SharedTensors", "as_batch", "as_tensor", "as_tensors"]


class SharedTensor:
    """One tensor for many batches. torch knows no read-only tensors, but it counts writes."""

    def __init__(self, tensor: torch.Tensor, key: str) -> None:
        self.tensor = tensor
        self.key = key
        self.writes = tensor._version  # noqa: SLF001 - torch offers no other name for it

    def unspoilt(self) -> torch.Tensor:
        """The tensor. Raises FlowloadError if somebody wrote to it: later batches would be wrong."""
        if self.tensor._version != self.writes:  # noqa: SLF001
            raise FlowloadError(
                f"{self.key!r} was written to, but it is one tensor that all batches share; "
                f"write to a copy: batch[{self.key!r}].clone()"
            )
        return self.tensor


class SharedTensors:
    """Tensors of the arrays that batches share, each copied once.

    Args:
        device: where they go.
        waits: for each copy, whose source may then go.
    """

    def __init__(self, device: torch.device | None = None, *, waits: bool = False) -> None:
        self.device = device
        self.waits = waits
        self.known: Shared[SharedTensor] = Shared(self.made)

    def made(self, array: NDArray[Any], key: str) -> SharedTensor:
        """A tensor on the device: in the current stream there, so that later work finds it done."""
        tensor = as_tensor(writable(array), key)
        if self.device is not None:
            tensor = tensor.to(self.device, non_blocking=not self.waits)
        return SharedTensor(tensor, key)

    def get(self, array: NDArray[Any], key: str) -> torch.Tensor:
        """The one tensor of this array. Raises FlowloadError if somebody wrote to it."""
        return self.known.get(array, key).unspoilt()

    def knows(self, array: NDArray[Any]) -> bool:
        """Whether there is a tensor of this array."""
        return self.known.knows(array)


def as_batch(block: Block, call: Call) -> Batch:
    """A batch; GraphError for any other block."""
    if isinstance(block, Batch):
        return block
    raise not_a_batch(block, call)


def as_tensors(batch: Batch, shared: SharedTensors) -> tuple[Batch, dict[str, torch.Tensor]]:
    """A batch of CPU tensors, and beside it the tensors of arrays that it shares with others."""
    arrays = {key: as_tensor(array, key) for key, array in batch.arrays.items()}
    common = {key: shared.get(array, key) for key, array in batch.whole.items() if is_shared(array)}
    own = {key: as_tensor(array, key) for key, array in batch.whole.items() if key not in common}
    return Batch(arrays, own), common


class Like:
    """Makes tensors of batches that were cut from the same arrays as another, whose tensors are known.

    What torch can express of one slice, it can of all; and what goes with one batch, goes with the other.
    """

    def __init__(self, other: Batch, tensors: Batch) -> None:
        self.other = other
        self.tensors = tensors
        self.seen = {key for key, array in other.arrays.items() if is_seen(tensors.arrays[key], array)}

    def suits(self, batch: Batch) -> bool:
        """Whether a batch was cut from the same arrays."""
        return batch.whole is self.other.whole

    def made(self, batch: Batch) -> Batch:
        """The tensors of a batch, each its own: what is written to one does not count for another."""
        arrays = {
            key: torch.from_numpy(array) if key in self.seen else as_tensor(array, key)
            for key, array in batch.arrays.items()
        }
        return Batch(arrays, self.tensors.whole, batch.more)


def is_seen(tensor: torch.Tensor, array: Any) -> bool:
    """Whether a tensor shows an array's own memory."""
    return tensor is not array and tensor.data_ptr() == array.ctypes.data


def as_tensor(array: Any, key: str) -> torch.Tensor:
    """A tensor on the array's own memory, which it keeps alive; a tensor stays what it is.

    Copies only what torch cannot express: read-only memory, the other byte order, negative or odd strides.
    Raises GraphError for a dtype that has no tensor, such as text.
    """
    if isinstance(array, torch.Tensor):
        return array
    array = np.asarray(array)
    if array.dtype.isbuiltin != 1 and array.dtype.name == "bfloat16":  # of ml_dtypes, unknown to torch
        return as_tensor(array.view(np.int16), key).view(torch.bfloat16)
    try:
        return torch.from_numpy(
            array if fits(array) else np.array(array, array.dtype.newbyteorder("="), order="C")
        )
    except TypeError:
        raise no_tensor(key, array.dtype) from None


def writable(array: NDArray[Any]) -> NDArray[Any]:
    """The same memory through a view that may write, where only this view of it may not.

    So a window that several batches share becomes a tensor without a copy; `SharedTensor` sees who writes.
    """
    base = array.base
    if array.flags.writeable or not isinstance(base, np.ndarray) or not base.flags.c_contiguous:
        return array
    if not base.flags.writeable:
        return array
    begin = array.ctypes.data - base.ctypes.data
    return np.ndarray(array.shape, array.dtype, base.data, begin, array.strides)


def fits(array: NDArray[Any]) -> bool:
    """Whether a tensor can lie on this memory."""
    size = array.itemsize
    for step in array.strides:  # for every array of every batch: `all` would take as long as the tensor
        if step < 0 or step % size:
            return False
    return array.flags.writeable and array.dtype.isnative
