"""A call inside a call: what one stage tells another of its own room to do, with an account of its own."""

from __future__ import annotations

import numpy as np

from flowload.abc.operators import Bytes, Call, Device
from flowload.errors import DataError

__all__ = ["InnerCall"]


class InnerCall:
    """Passes everything on to the call around it; a subclass answers for what it counts otherwise."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.number = call.number
        self.stop = call.stop

    def rng(self, *key: int) -> np.random.Generator:
        """See `Call.rng`."""
        return self.call.rng(*key)

    def key(self) -> tuple[int, int]:
        """See `Call.key`."""
        return self.call.key()

    def go_on(self) -> None:
        """See `Call.go_on`."""
        self.call.go_on()

    def lease(self, nbytes: int, device: Device | None = None) -> Bytes:
        """See `Call.lease`."""
        return self.call.lease(nbytes, device)

    def keep(self, value: object) -> None:
        """See `Call.keep`."""
        self.call.keep(value)

    def drop(self, count: int, reason: str) -> None:
        """See `Call.drop`."""
        self.call.drop(count, reason)

    def reject(self, error: DataError, count: int = 1) -> None:
        """See `Call.reject`."""
        self.call.reject(error, count)

    def missing(self, count: int, what: DataError) -> None:
        """See `Call.missing`."""
        self.call.missing(count, what)

    def opened(self, count: int) -> None:
        """See `Call.opened`."""
        self.call.opened(count)
