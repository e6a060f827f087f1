"""What is logged of a stage's data: what was skipped, and what was missing, each reason once a source."""

from __future__ import annotations

import logging
from collections import deque
from time import perf_counter
from typing import NamedTuple

from flowload.errors import DataError

__all__ = ["Notice", "Notices", "source_of"]

log = logging.getLogger("flowload")

KEPT = 20  #: of a stage, the last ones


class Notice(NamedTuple):
    """Something that was logged of a source."""

    at: float  #: as `perf_counter` says
    source: str
    what: str


class Notices:
    """Those of one operator: `told` has all by source and reason, `last` what statistics show."""

    def __init__(self) -> None:
        self.told: set[tuple[str, str]] = set()
        self.last: deque[Notice] = deque(maxlen=KEPT)

    def skipped(self, node: str, error: DataError, count: int) -> None:
        """So many inputs were skipped."""
        # As text: handlers keep records, and an error's traceback keeps the batch and its memory.
        self.tell(node, source_of(error.where), error.reason, f"skipped {count}: {error}")

    def missing(self, node: str, what: DataError) -> None:
        """Something is not there, and the fill value is taken for it."""
        told = f"the fill value stands for data that do not exist: {what}"
        self.tell(node, what.where, what.reason, told)

    def tell(self, node: str, source: str, reason: str, told: str) -> None:
        """Log it, unless the same was told before."""
        if (source, reason) not in self.told:
            self.told.add((source, reason))
            log.warning("%s: %s", node, told)
            self.last.append(Notice(perf_counter(), source_of(source), told))


def source_of(where: str) -> str:
    """The file or URL of a place such as "a.tar: game 3" or "set, molecule 7": a URL's colon has no blank."""
    return where.partition(": ")[0].partition(", ")[0]
