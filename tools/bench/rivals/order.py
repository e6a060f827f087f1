"""What a rival is asked to do."""

from __future__ import annotations

from typing import NamedTuple

from .craft import ChunkRef

__all__ = ["Order"]


class Order(NamedTuple):
    """Sizes and games."""

    chunks: tuple[ChunkRef, ...]
    batch: int
    reservoir: int
    workers: int  #: threads or processes, as many as CPUs
