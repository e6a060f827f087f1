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

__all__ = ["AHEAD", "dumps", "plain"]

AHEAD = 2  #: batches of an output that are sent before they are asked for


class Pickler(pickle.Pickler):
    """Takes a tensor's memory for its array's: torch would copy it into the pickle."""

    def reducer_override(self, value: Any) -> Any:
        """How a tensor is made again; anything else as it says itself."""
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.Tensor):
            return NotImplemented
        if value.device.type != "cpu":
            raise GraphError(
                f"a batch has tensors on {value.device}, which stay in their process: with process=True leave"
                ' to_device() out, or say to_device("cpu"), and move batches in the training loop'
            )
        plain = value.detach().contiguous()
        try:
            return tensor_of, (plain.numpy(), "")
        except TypeError:  # a dtype that numpy lacks, such as bfloat16: its bytes
            kind = str(plain.dtype).removeprefix("torch.")
            return tensor_of, (plain.view(torch.uint8).numpy(), kind)


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
