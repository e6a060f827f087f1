"""Blocks that went into a stage, kept to be given to it again."""

from __future__ import annotations

import copy
import dataclasses
import threading
from typing import Any

import numpy as np

from flowload.abc.operators import Block

__all__ = ["Cache", "copied"]


class Cache:
    """The first blocks that it is shown, as they are then: stages may overwrite what they are given.

    Args:
        blocks: keep so many.
        nbytes: keep no more bytes; the first block is kept whatever its size.
    """

    def __init__(self, blocks: int, nbytes: int) -> None:
        self.kept: list[Block] = []
        self.nbytes = 0
        self.full = False
        self._most = blocks, nbytes
        self._lock = threading.Lock()  # several workers of a stage may be shown blocks at once

    def show(self, block: Block) -> None:
        """Keep this block, while there is room."""
        if self.full:
            return
        kept = copied(block)
        blocks, nbytes = self._most
        with self._lock:
            if len(self.kept) >= blocks or (self.kept and self.nbytes + kept.nbytes > nbytes):
                self.full = True
            else:
                self.kept.append(kept)
                self.nbytes += kept.nbytes


def copied(value: Any, *, fields: bool = True) -> Any:
    """The same with memory of its own, wherever somebody could write to it.

    Arrays and tensors are copied: bare, in containers, and, with `fields`, in a dataclass such as our blocks.
    Anything else is kept by reference, such as open files.
    """
    if isinstance(value, np.ndarray):
        return value.copy() if value.flags.writeable else value
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "clone"):
        return value.clone()
    if type(value) is dict:
        return {key: copied(inner, fields=False) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(copied(inner, fields=False) for inner in value)
    if fields and dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = copy.copy(value)
        for item in dataclasses.fields(value):
            # Frozen, but nobody else has this copy yet.
            object.__setattr__(made, item.name, copied(getattr(value, item.name), fields=False))
        return made
    return value
