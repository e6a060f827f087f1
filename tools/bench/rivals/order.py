"""What a rival is asked to do."""

from __future__ import annotations

from typing import NamedTuple

from .craft import V6, ChunkRef

__all__ = ["Order"]


class Order(NamedTuple):
    """Sizes and games."""

    chunks: tuple[ChunkRef, ...]
    batch: int
    reservoir: int
    workers: int  #: threads or processes, as many as CPUs

    @property
    def records(self) -> float:
        """Of a chunk, on average."""
        return sum(chunk.inflated for chunk in self.chunks) / len(self.chunks) / V6.itemsize
