"""What travels between a run's process and its reader's: batches with arrays beside them, plain answers."""

from __future__ import annotations

import importlib
import io
import pickle
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from flowload.errors import GraphError

__all__ = ["dumps", "plain", "plain_tensor", "tensor_of"]


class Pickler(pickle.Pickler):
    """Takes a tensor's memory for its array's: torch would copy it into the pickle."""

    def reducer_override(self, value: Any) -> Any:
        """How a tensor is made again; anything else as it says itself."""
        # Another thread may be in the midst of importing it.
        tensor = getattr(sys.modules.get("torch"), "Tensor", None)
        if tensor is None or not isinstance(value, tensor):
            return NotImplemented
        return tensor_of, plain_tensor(value)


def plain_tensor(tensor: Any) -> tuple[Any, str]:
    """The array on a tensor's memory; and what its bytes are, where numpy has no such numbers: bfloat16.

    Raises GraphError for a tensor that is elsewhere.
    """
    if tensor.device.type != "cpu":
        raise GraphError(
            f"a batch has tensors on {tensor.device}, which stay in their process: with process=True let"
            " to_device() be the last stage of each output, whose copies are made where they are read, and do"
            " what comes behind it in the training loop"
        )
    plain = tensor.detach().contiguous()
    try:
        return plain.numpy(), ""
    except TypeError:
        torch = sys.modules["torch"]
        return plain.view(torch.uint8).numpy(), str(plain.dtype).removeprefix("torch.")


def tensor_of(array: Any, kind: str) -> Any:
    """The tensor on an array's memory; `kind`: of bytes, what they are."""
    torch = importlib.import_module("torch")  # here alone, where a batch has tensors: it takes a second
    tensor = torch.from_numpy(array)
    return tensor.view(getattr(torch, kind)) if kind else tensor


def dumps(value: Any, *, protocol: int, buffer_callback: Callable[[pickle.PickleBuffer], object]) -> bytes:
    """As `pickle.dumps`, tensors as arrays."""
    text = io.BytesIO()
    Pickler(text, protocol=protocol, buffer_callback=buffer_callback).dump(value)
    return text.getvalue()


def plain(value: Any) -> Any:
    """Statistics without views of mappings, which cannot be pickled."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(plain, value))
    if isinstance(value, tuple | list):
        return type(value)(map(plain, value))
    if isinstance(value, dict | MappingProxyType):
        return {key: plain(each) for key, each in value.items()}
    return value
