"""Tensors that the reader's process makes of a batch, on the memory of both processes or by plain copies.

Imports torch: made when a run begins.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from flowload.abc.operators import Device
from flowload.blocks import Batch
from flowload.stages.device.plain_copies import PlainCopies
from flowload.stages.device.tensor import SharedTensors, as_tensor

from .numbered import NumberedTensors

__all__ = ["PlainAtReader", "TensorsAtReader"]


class AtOnce:
    """A `Finish` that is done when it has begun, and reads nothing later that the tensors do not keep."""

    device: Device | None = None
    ahead = False

    def deliver(self, begun: Any) -> Any:
        """The tensors."""
        return begun

    def watch(self, moved: Callable[[], None]) -> None:
        """There is always room."""

    def close(self) -> None:
        """Nothing is under way."""


class TensorsAtReader(AtOnce):
    """Tensors on the memory where a batch lies."""

    def __init__(self) -> None:
        self.shared = SharedTensors()

    def begin(
        self,
        arrays: Mapping[str, Any],
        whole: Collection[str],
        numbers: Mapping[str, int],  # noqa: ARG002 - a view costs nothing: it is known by itself
        *,
        due: bool,  # noqa: ARG002 - as they are asked for
        waits: bool,  # noqa: ARG002
    ) -> dict[str, Any]:
        """The tensors, by name."""
        made = {}
        for key, array in arrays.items():
            if key in whole and isinstance(array, np.ndarray) and not array.flags.writeable:
                made[key] = self.shared.get(array, key)
                continue
            if isinstance(array, np.ndarray) and array.flags.writeable:
                with suppress(TypeError, ValueError):  # 10 us for each array of a batch are much
                    made[key] = torch.from_numpy(array)
                    continue
            made[key] = as_tensor(array, key)
        return made


class PlainAtReader(AtOnce):
    """Copies to a device that torch does not call "cuda", each waited for.

    Args:
        device: where to.
    """

    def __init__(self, device: torch.device) -> None:
        self.shared = NumberedTensors(device, waits=True)
        self.copies = PlainCopies(device, self.shared)
        self.lock = threading.Lock()  # several threads may read

    def begin(
        self,
        arrays: Mapping[str, Any],
        whole: Collection[str],
        numbers: Mapping[str, int],
        *,
        due: bool,  # noqa: ARG002 - as they are asked for
        waits: bool,  # noqa: ARG002
    ) -> dict[str, Any]:
        """The tensors, by name, copied."""
        batch = as_parts(arrays, whole)
        with self.lock:
            self.shared.at_work(batch.whole, numbers)
            return self.copies.copy(batch).deliver()


def as_parts(arrays: Mapping[str, Any], whole: Collection[str]) -> Batch:
    """The batch that these arrays were, in the process that has made it."""
    own = {key: array for key, array in arrays.items() if key not in whole}
    return Batch(own, {key: arrays[key] for key in whole if key in arrays})
