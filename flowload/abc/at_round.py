"""What a fold behind lanes can say of itself, so that a run with lanes goes on from the midst."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["AtRound"]


@runtime_checkable
class AtRound(Protocol):
    """A fold that remembers nothing but how many rounds have passed: see `fl.shard(lanes=...)`."""

    def stand_at(self, rounds: int) -> None:
        """So many have passed. Before the first block."""
