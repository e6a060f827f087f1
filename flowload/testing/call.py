"""A `Call` without a run: what an operator may ask for, and an account of what it did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from flowload.abc.operators import Bytes, Device, OnError
from flowload.chance import generator
from flowload.errors import DataError

__all__ = ["Account", "PlainCall"]

LINE = 64  #: bytes to which leases are aligned


@dataclass
class Account:
    """What came into an operator, and what became of it, in the unit of its output."""

    in_: int = 0
    out: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    missing: int = 0  #: samples that came out with a fill value for data never stored

    def unaccounted(self, held: int) -> int:
        """in - (out + dropped + held): 0 in an honest operator."""
        return self.in_ - self.out - self.dropped.total() - held

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.dropped.items()))
        return f"in {self.in_}, out {self.out}, dropped {self.dropped.total()}" + (
            f" ({reasons})" if reasons else ""
        )


class PlainCall:
    """One call; draws the same random numbers as the call of a run would.

    Args:
        key: of the operator, from `flowload.chance.stage_key`.
        number: of the input block in its stream.
        on_error: what `reject` does.
        fill: the byte that leases are filled with: contents are undefined, so it must not show.
    """

    def __init__(
        self, key: tuple[int, int], number: int, *, on_error: OnError = "raise", fill: int = 0xA5
    ) -> None:
        self.number = number
        self.on_error = on_error
        self.fill = fill
        self.found: int | None = None  #: what `opened` said
        self.dropped: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.lacks: list[tuple[DataError, int]] = []  #: what was missing, and in how many samples
        self.words = key

    def rng(self, *key: int) -> np.random.Generator:
        """See `Call.rng`."""
        return generator(self.words, key or (self.number,))

    def key(self) -> tuple[int, int]:
        """See `Call.key`."""
        return self.words

    @property
    def stop(self) -> Bytes:
        """See `Call.stop`; somebody waits."""
        return np.zeros(1, np.uint8)

    def go_on(self) -> None:
        """See `Call.go_on`; somebody waits."""

    def lease(self, nbytes: int, device: Device | None = None) -> Bytes:  # noqa: ARG002 - ordinary memory will do
        """See `Call.lease`; always fresh memory."""
        memory = np.full(nbytes + LINE, self.fill, np.uint8)
        start = -memory.ctypes.data % LINE
        return memory[start : start + nbytes]

    def keep(self, value: object) -> None:
        """See `Call.keep`; nobody asks for it here."""

    def drop(self, count: int, reason: str) -> None:
        """See `Call.drop`."""
        self.dropped[reason] += count

    def reject(self, error: DataError, count: int = 1) -> None:
        """See `Call.reject`."""
        if self.on_error == "raise":
            raise error
        self.rejected[error.reason] += count

    def reject_all(self, error: DataError, samples: int) -> None:
        """The whole input is bad: what was said about its parts before is void."""
        self.found = None
        self.dropped.clear()
        self.rejected.clear()
        self.lacks.clear()
        self.reject(error, samples)

    def missing(self, count: int, what: DataError) -> None:
        """See `Call.missing`."""
        self.lacks.append((what, count))

    def opened(self, count: int) -> None:
        """See `Call.opened`."""
        self.found = count if self.found is None else self.found + count

    def settle(self, account: Account, samples: int) -> None:
        """Enter this call into the account of its operator; `samples` were in the input block."""
        account.in_ += samples if self.found is None else self.found + self.rejected.total()
        account.dropped += +self.dropped + self.rejected
        account.missing += sum(count for _, count in self.lacks)
