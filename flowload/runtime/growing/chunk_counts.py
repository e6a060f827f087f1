"""How many chunks the files of a growing source have, as far as anybody has looked, in earlier runs, too."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from flowload.abc.growing import Arriving, Counting
from flowload.runtime.tasks.call import Member

__all__ = ["ChunkCounts", "chunk_counts"]


class ChunkCounts:
    """Those of one source. A run that goes on does not look again at files that were read before it.

    Args:
        source: tells the files, always in the same order.
        counters: look at them.
        before: what `state` gave in an earlier run.
    """

    def __init__(self, source: Arriving, counters: Sequence[Counting], before: Sequence[int] = ()) -> None:
        self.source = source
        self.counters = counters
        self.before = before
        self.counts: list[int] = []  # in the order of the files; -1: nobody has looked
        self.open: list[int] = []  # numbers of those
        self.known: dict[str, int] = {}  # of files that only earlier runs have looked at
        self.lock = threading.Lock()

    def of(self, path: str) -> int | None:
        """Chunks of a file that earlier runs have looked at; None: they have not. From any thread."""
        if len(self.counts) < len(self.before):
            self.update()
        return self.known.get(path)

    def state(self) -> NDArray[np.int32]:
        """Those of all files; from any thread."""
        self.update()
        return np.array([*self.counts, *self.before[len(self.counts) :]], np.int32)

    def update(self) -> None:
        """See which files have come, and which were looked at."""
        with self.lock:
            paths = self.source.arrived()
            for number in range(len(self.counts), len(paths)):
                count = int(self.before[number]) if number < len(self.before) else -1
                self.counts.append(count)
                if count < 0:
                    self.open.append(number)
                else:
                    self.known[paths[number]] = count
            left = []
            for number in self.open:
                found = next(
                    (
                        each.chunk_counts[paths[number]]
                        for each in self.counters
                        if paths[number] in each.chunk_counts
                    ),
                    None,
                )
                if found is None:
                    left.append(number)
                else:
                    self.counts[number] = found
            self.open = left


def chunk_counts(
    members: Iterable[Member], before: Mapping[str, Sequence[int]] | None = None
) -> dict[str, ChunkCounts]:
    """Those of a run's sources, by node; none where nothing grows, or no stage reads chunks of files.

    Args:
        members: operators of the run.
        before: what `state` gave, by node.
    """
    members = list(members)
    counters = [member.operator for member in members if isinstance(member.operator, Counting)]
    return {
        member.node: ChunkCounts(member.operator, counters, (before or {}).get(member.node, ()))
        for member in members
        if counters and isinstance(member.operator, Arriving)
    }
