"""How a run went, in one line of the log."""

from __future__ import annotations

import logging
import threading

from flowload.printable import text_of
from flowload.runtime.observe.delivered import Delivered

__all__ = ["Ending"]

log = logging.getLogger("flowload")


class Ending:
    """Says it once: when the run was stopped or has failed, or when its reader has all of it, or has left.

    A run is over before its reader has taken what lies ready: what it has delivered is known only then.
    """

    def __init__(self) -> None:
        self.said = threading.Lock()  # by whoever gets it: the run's thread, or the reader's

    def tell(
        self, seconds: float, delivered: Delivered, failure: BaseException | None, *, finished: bool
    ) -> None:
        """Say it, unless it was said."""
        if not self.said.acquire(blocking=False):
            return
        what = f"{delivered.blocks:,} batches, {delivered.samples:,} samples"
        if failure is None:
            how = f"{'finished' if finished else 'stopped'}; {what}"
        else:
            told = [f"failed; {what}", *getattr(failure, "__notes__", ()), text_of(failure)]
            how = " ".join("; ".join(told).split())
        log.info("run ends after %.1f s: %s", seconds, how)
