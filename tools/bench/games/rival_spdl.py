"""SPDL: a gather of whole batches in as many threads as CPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from spdl.pipeline import PipelineBuilder

from tools.bench.measuring.loader import Batches

from .corpus import Corpus
from .gathering import Gather, KernelGather, RingGather
from .loaders import as_order
from .settings import Settings

__all__ = ["open_pipeline", "open_pipeline_kernel"]

Opened = AbstractContextManager[Batches]


def open_pipeline(corpus: Corpus, settings: Settings) -> Opened:
    """By numpy, into memory that is used again."""
    return opened(corpus, settings, RingGather(corpus.folders["uint8"], settings.batch, settings.cpus))


def open_pipeline_kernel(corpus: Corpus, settings: Settings) -> Opened:
    """By our kernel."""
    return opened(corpus, settings, KernelGather(corpus.folders["uint8"], settings.batch, settings.cpus))


@contextmanager
def opened(corpus: Corpus, settings: Settings, gather: Gather) -> Iterator[Batches]:
    """Row numbers in, batches out."""
    gather.opened()
    pipeline = (
        PipelineBuilder()
        .add_source(as_order(corpus, settings.batch, 0))
        .pipe(gather, concurrency=settings.cpus)
        .add_sink(2)
        .build(num_threads=settings.cpus + 1)
    )
    with pipeline.auto_stop():
        yield iter(pipeline)
