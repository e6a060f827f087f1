"""A graph that leaves out different numbers of samples on different ranks."""

from __future__ import annotations

from typing import Any

import flowload as fl

__all__ = ["filtered", "lengths", "most"]


def most(batch: Any) -> Any:
    """Not every seventh."""
    return batch["index"] % 7 != 1


def filtered(rank: int, world: int) -> fl.Graph:
    rows = fl.rows(1003) >> fl.shuffle() >> fl.shard(rank, world)
    return rows >> fl.batch(10) >> fl.filter(most) >> fl.batch(10)


def lengths(run: Any) -> list[int]:
    return [len(next(iter(batch.values()))) for batch in run]
