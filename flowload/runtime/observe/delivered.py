"""What the readers of a run got, and how long they waited for it."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter

from flowload.abc.operators import Block
from flowload.observe.counting.waits import Waits
from flowload.observe.stats import ConsumerStats
from flowload.runtime.observe.tracing import TraceRecorder
from flowload.runtime.tasks.segment import Segment

__all__ = ["Delivered"]


class Delivered:
    """Counts samples, blocks and seconds, of all outputs and of each."""

    def __init__(self, outputs: Iterable[str]) -> None:
        self.samples = 0
        self.blocks = 0
        self.waited = 0.0
        self.waits = Waits()
        self.by_output = {name: ConsumerStats() for name in outputs}

    def note(
        self, output: str, block: Block, waited: float, epoch: int, recorder: TraceRecorder | None
    ) -> int:
        """A reader got a block, for which it waited so many seconds; returns the block's samples."""
        samples = len(block)
        self.samples += samples
        self.blocks += 1
        self.waited += waited
        old = self.by_output[output]
        self.by_output[output] = ConsumerStats(old.samples + samples, old.blocks + 1, old.wait + waited)
        if recorder is not None and waited > Segment.long_wait:
            now = perf_counter()
            recorder.waited("consumers", "waits for a batch", now - waited, now)
        if not getattr(block, "more", False):
            self.waits.note(waited, epoch)
        return samples
