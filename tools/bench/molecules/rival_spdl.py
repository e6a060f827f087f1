"""SPDL: whole batches in as many threads as CPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spdl.pipeline import PipelineBuilder

from tools.bench.measuring.loader import Batches

from .corpus import Corpus, as_order
from .rival_threads import padder
from .settings import Settings

__all__ = ["open_pipeline"]


@contextmanager
def open_pipeline(corpus: Corpus, settings: Settings) -> Iterator[Batches]:
    """Row numbers in, batches out."""
    pipeline = (
        PipelineBuilder()
        .add_source(as_order(corpus, settings.batch))
        .pipe(padder(corpus, settings), concurrency=settings.cpus)
        .add_sink(2)
        .build(num_threads=settings.cpus + 1)
    )
    with pipeline.auto_stop():
        yield iter(pipeline)
