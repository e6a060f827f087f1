"""What any machine has: Python's zlib in one thread, over the same chunks."""

from __future__ import annotations

import zlib
from time import perf_counter, process_time

from tools.bench.measuring.settings import Contender, Reading, Window, Work

from .corpus import Corpus

__all__ = ["NAME", "yardstick"]

NAME = "zlib, one thread"
GZIP = 31  #: zlib's word for a gzip header


def yardstick(corpus: Corpus) -> Contender:
    """`zlib.decompress(chunk, 31, size)`, and nothing else."""
    chunks = corpus.compressed()

    def measure(window: Window) -> Reading:
        began, cpu = perf_counter(), process_time()
        passes = 0
        while passes == 0 or perf_counter() - began < window.seconds:
            for data, size in chunks:
                zlib.decompress(data, GZIP, size)
            passes += 1
        seconds = perf_counter() - began
        return Reading(passes * corpus.frames / seconds, cores=(process_time() - cpu) / seconds)

    return Contender(name=NAME, group="yardstick", work=Work(), measure=measure)
