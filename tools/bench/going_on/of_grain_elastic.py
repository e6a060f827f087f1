"""Grain's `ElasticIterator`: its way for numbers of hosts that change."""

from __future__ import annotations

from typing import Any

from grain.experimental import ElasticIterator
from grain.sharding import ShardOptions

from .of_grain import Rows, rows, settings, write
from .setting import Place

__all__ = ["open", "write"]


def open(place: Place, state: Any) -> Rows:  # noqa: A001 - what it does
    """The rows, dealt out by the iterator itself."""
    shard = ShardOptions(shard_index=place.rank, shard_count=place.world)
    elastic = ElasticIterator(rows(place), place.batch, shard, multiprocessing_options=settings(place))
    return Rows(iter(elastic), state)
