"""SPDL: stages in threads; the shuffle buffer is a stage that gives several items for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from spdl.pipeline import PipelineBuilder

from .craft import Craft
from .order import Order
from .shuffle import Endless, Shuffle

__all__ = ["open_pipeline"]


@contextmanager
def open_pipeline(order: Order, craft: Craft) -> Iterator[Iterator[Mapping[str, Any]]]:
    """A thread for every call that may run at once."""
    pipeline = (
        PipelineBuilder()
        .add_source(Endless(order.chunks, 0))
        .pipe(craft.read, concurrency=order.workers)
        .pipe(Shuffle(order.reservoir, order.batch, 0).push)
        .pipe(craft.into_ring(order.batch, order.workers), concurrency=order.workers)
        .add_sink(2)
        .build(num_threads=2 * order.workers + 1)
    )
    with pipeline.auto_stop():
        yield iter(pipeline)
