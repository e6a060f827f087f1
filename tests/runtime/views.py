"""What a consumer may make of a lease, and a device that keeps a ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from flowload.abc.operators import Bytes

__all__ = ["VIEWS", "Ledger", "cycle"]


class Ledger:
    """A device that checks that memory is registered once and unregistered while it still exists."""

    def __init__(self) -> None:
        self.registered: dict[int, int] = {}
        self.count = 0

    def register(self, memory: Bytes) -> None:
        assert memory.ctypes.data not in self.registered
        self.registered[memory.ctypes.data] = memory.size
        self.count += 1

    def unregister(self, memory: Bytes) -> None:
        memory[-1:] = 1  # still mapped
        assert self.registered.pop(memory.ctypes.data) == memory.size


def torch_tensor(array: Bytes) -> Any:
    return pytest.importorskip("torch").from_numpy(array)


#: What a consumer may keep instead of the array that was leased.
VIEWS: dict[str, Callable[[Bytes], Any]] = {
    "array": lambda a: a,
    "slice": lambda a: a[64:128],
    "slice of a slice": lambda a: a[64:][8:16][::2],
    "one row": lambda a: a.reshape(8, -1)[3],
    "reshaped": lambda a: a.reshape(4, -1).T,
    "other dtype": lambda a: a.view(np.float32).reshape(2, -1)[1, 3:],
    "record dtype": lambda a: a.view([("a", "<u4"), ("b", "<f4")])["b"],
    "broadcast": lambda a: np.broadcast_to(a[:16], (4, 16)),
    "ndarray made from a buffer": lambda a: np.ndarray((16,), np.uint8, buffer=a, offset=32),
    "asarray": lambda a: np.asarray(a[10:]),
    "memoryview": lambda a: a.data[5:],
    "cast memoryview": lambda a: a.data.cast("I"),
    "frombuffer": lambda a: np.frombuffer(a, np.int32),
    "numpy from DLPack": lambda a: np.from_dlpack(a[32:]),
    "torch tensor": torch_tensor,
    "torch view": lambda a: torch_tensor(a)[5:].view(-1)[3:],
    "torch of another dtype": lambda a: torch_tensor(a.view(np.float32)).reshape(2, -1)[1],
    "numpy face of a tensor": lambda a: torch_tensor(a)[7:].numpy()[3:],
    "detached": lambda a: torch_tensor(a).detach()[:4],
    "torch from DLPack": lambda a: pytest.importorskip("torch").from_dlpack(a)[5:],
    "DLPack of a tensor": lambda a: np.from_dlpack(torch_tensor(a)[9:]),
    "in a cycle": lambda a: cycle(a[1:2]),
}


def cycle(value: Any) -> list[Any]:
    box = [value]
    box.append(box)
    return box
