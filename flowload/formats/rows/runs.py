"""Rows in any order, read from where only whole runs of rows can be read: each chunk is read once a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes, Call
from flowload.abc.records import Numbers
from flowload.kernels.rows.take import scatter

__all__ = ["ReadRun", "Run", "as_bytes", "gather_runs", "plan_runs"]

LIMIT = 16 << 20  #: bytes of scratch memory for a run; a single row may be larger

#: Writes rows `begin` to `end` of an array to memory of that shape. Raises DataError.
ReadRun: TypeAlias = Callable[[int, int, NDArray[Any]], None]


class Run(NamedTuple):
    """Neighbouring rows of the array, and the places of the batch that get some of them."""

    begin: int
    end: int
    rows: Numbers  #: of the array, rising, perhaps some of them repeatedly
    places: Numbers

    @property
    def straight(self) -> bool:
        """Whether rows and places rise in step, so that the run can be read to its place."""
        count = len(self.rows)
        rising = count < 2 or bool((np.diff(self.rows) == 1).all() and (np.diff(self.places) == 1).all())
        return rising and self.end - self.begin == count


def plan_runs(rows: Numbers, chunk: int, gap: int, limit: int) -> Iterator[Run]:
    """Cut row numbers into runs, each read at once.

    Args:
        rows: in any order.
        chunk: rows that lie together in the file: a run ends at their border, but for rows without a gap.
        gap: rows that may be read in vain between two that are wanted.
        limit: rows of a run at most.
    """
    order = np.argsort(rows, kind="stable")
    rising = rows[order]
    step = np.diff(rising)
    apart = (step > 1) & ((rising[1:] // chunk != rising[:-1] // chunk) | (step > gap))
    start = 0
    for end in [*(np.flatnonzero(apart) + 1).tolist(), len(rows)]:
        while start < end:
            begin = int(rising[start])
            stop = min(end, int(np.searchsorted(rising, begin + limit)))
            part = rising[start:stop]
            yield Run(begin, int(part[-1]) + 1, part, order[start:stop])
            start = stop


def gather_runs(read: ReadRun, rows: Numbers, out: NDArray[Any], call: Call, *, chunk: int, gap: int) -> None:
    """Write rows to `out`; what cannot be read to its place goes through leased scratch memory."""
    width = prod(out.shape[1:]) * out.itemsize
    limit = max(1, LIMIT // max(width, 1))
    scratch: Bytes = np.empty(0, np.uint8)
    for run in plan_runs(rows, max(chunk, 1), gap, limit):
        count = run.end - run.begin
        if run.straight:
            read(run.begin, run.end, out[run.places[0] : run.places[0] + count])
            continue
        if scratch.nbytes < count * width:
            scratch = call.lease(count * width)
        memory = scratch[: count * width].view(out.dtype).reshape(count, *out.shape[1:])
        read(run.begin, run.end, memory)
        if width:
            scatter(as_bytes(out), run.places, as_bytes(memory), run.rows - run.begin)


def as_bytes(array: NDArray[Any]) -> Bytes:
    """A contiguous array as one row of bytes a row."""
    return array.reshape(len(array), -1).view(np.uint8)
