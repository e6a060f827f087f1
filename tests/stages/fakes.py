"""A `Call` without a run, so that operators can be tested as the plain objects that they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flowload.abc.operators import Bytes, Device, OnError
from flowload.errors import ClosedRun, DataError

__all__ = ["FakeCall", "both"]

WORD = (1 << 64) - 1


@dataclass
class FakeCall:
    """Records what an operator reports; deterministic like the real one.

    `entered` is what the ledger would count as this operator's input if it uses `opened` alone.
    Leases are fresh, 64-byte aligned and filled with 0xA5, so that what is never written shows.
    """

    seed: int = 0
    stage: int = 1
    number: int = 0
    on_error: OnError = "raise"
    drops: Counter[str] = field(default_factory=Counter)
    rejects: list[DataError] = field(default_factory=list)
    leases: list[int] = field(default_factory=list)
    devices: list[Device | None] = field(default_factory=list)
    entered: int = 0
    kept: list[object] = field(default_factory=list)
    lacks: list[tuple[DataError, int]] = field(default_factory=list)
    stop: Bytes = field(default_factory=lambda: np.zeros(1, np.uint8))

    def go_on(self) -> None:
        if self.stop[0]:
            raise ClosedRun("left")

    def key(self) -> tuple[int, int]:
        return self.seed & WORD, self.stage

    def rng(self, *key: int) -> np.random.Generator:
        words = [*(key or (self.number,)), 0, 0, 0][:3]
        counter = np.array([0, *(word & WORD for word in words)], dtype=np.uint64)
        return np.random.Generator(
            np.random.Philox(key=np.array(self.key(), dtype=np.uint64), counter=counter)
        )

    def lease(self, nbytes: int, device: Device | None = None) -> Bytes:
        self.leases.append(nbytes)
        self.devices.append(device)
        memory = np.full(nbytes + 64, 0xA5, dtype=np.uint8)
        start = -memory.ctypes.data % 64
        return memory[start : start + nbytes]

    def keep(self, value: object) -> None:
        self.kept.append(value)

    def drop(self, count: int, reason: str) -> None:
        if count:
            self.drops[reason] += count

    def reject(self, error: DataError, count: int = 1) -> None:
        if self.on_error == "raise":
            raise error
        self.rejects.append(error)
        self.entered += count
        self.drops[error.reason] += count

    def missing(self, count: int, what: DataError) -> None:
        self.lacks.append((what, count))

    def opened(self, count: int) -> None:
        self.entered += count


def both(fn: Any) -> list[Any]:
    """A function and its waiting twin."""

    async def twin(value: Any) -> Any:
        return fn(value)

    return [fn, twin]
