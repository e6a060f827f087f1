"""Which positions of a chunk one use of it takes, so that over its uses every position comes equally often.

A chunk of n records has an endless sequence of *ranks*: permutation 0 of its positions, then
permutation 1, and so on, each keyed by (seed, source, chunk, cycle). A use takes a run of ranks, and
the runs of uses 0, 1, 2, ... follow each other. With a rate of num/den the run borders are rounded
from a random phase, so that already the first use takes num/den * n positions in expectation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel
from flowload.kernels.philox import Words, block, permutation

__all__ = ["choose", "phase", "phases", "positions", "run_lengths", "run_of_ranks"]

ZERO = np.uint64(0)
ONE = np.uint64(1)


@kernel
def phase(seed: np.uint64, source: np.uint64, chunk: int, den: int) -> int:
    """Where a chunk's first run begins, in den-ths of a position: uniform on [0, den)."""
    words = np.empty(4, np.uint64)
    # Counter word 0 is free: permutations count their own blocks from 1.
    block(words, ZERO, np.uint64(chunk), ZERO, ONE, seed, source)
    return int(words[0] % np.uint64(den))


@kernel
def phases(
    out: NDArray[np.int64], sources: Words, chunks: NDArray[np.int32], seed: np.uint64, den: int
) -> None:
    """Write the phases of many chunks."""
    for i in range(len(out)):
        out[i] = phase(seed, sources[i], chunks[i], den)


@kernel
def run_of_ranks(n: int, use: int, num: int, den: int, count: int, offset: int) -> tuple[int, int]:
    """First and last rank (exclusive) of one use of a chunk of n records.

    Args:
        n: records, from 1 to 2**32.
        use: number of the use, from 0.
        num, den: the rate, at most 1, with den up to 10**6; read where count is 0.
        count: positions a use, or 0.
        offset: the chunk's phase.
    """
    if count > 0:
        slices = max(1, n // count)
        first = use // slices * n + use % slices * count
        return first, first + min(count, n)
    # use * num * n may need more than 64 bits: whole positions a use, and den-ths, apart.
    whole, rest = n * num // den, n * num % den
    first = use * whole + (use * rest + offset) // den
    return first, (use + 1) * whole + ((use + 1) * rest + offset) // den


@kernel
def run_lengths(
    out: NDArray[np.int64],
    records: NDArray[np.int32],
    uses: NDArray[np.int32],
    sources: Words,
    chunks: NDArray[np.int32],
    seed: np.uint64,
    rule: tuple[int, int, int],
) -> None:
    """Write how many positions each of many chunk uses takes; `rule` is (num, den, count)."""
    num, den, count = rule
    for i in range(len(out)):
        offset = phase(seed, sources[i], chunks[i], den)
        first, last = run_of_ranks(int(records[i]), int(uses[i]), num, den, count, offset)
        out[i] = last - first


@kernel
def positions(
    out: NDArray[np.int64], n: int, first: int, seed: np.uint64, source: np.uint64, chunk: int
) -> None:
    """Write the positions of `len(out)` ranks from `first` on, in rising order; len(out) is at most n.

    A run that is exactly one permutation needs none: its positions are 0 .. n - 1. A run over the border
    of two permutations may hold a position twice.
    """
    if len(out) == n and first % n == 0:
        for i in range(n):
            out[i] = i
        return
    times = np.zeros(n, np.uint8)
    order = np.empty(n, np.int64)
    where = np.empty(5, np.uint64)
    where[0], where[1], where[2], where[4] = seed, source, np.uint64(chunk), ZERO
    rank, last = first, first + len(out)
    while rank < last:
        cycle, begin = rank // n, rank % n
        end = min(n, begin + last - rank)
        where[3] = np.uint64(cycle)
        permutation(order, where, end)
        for i in range(begin, end):
            times[order[i]] += 1
        rank += end - begin
    i = 0
    for position in range(n):
        for _ in range(times[position]):
            out[i] = position
            i += 1


@kernel
def choose(
    n: int, use: int, cap: int, seed: np.uint64, source: np.uint64, chunk: int, rule: tuple[int, int, int]
) -> tuple[NDArray[np.int64], int]:
    """Positions of one use of a chunk of n records, and how many more its cap cut off.

    One call, because every call gives the interpreter's lock away and must wait to get it back.

    Args:
        n: records.
        use: number of the use, from 0.
        cap: at most so many positions, those of the run's first ranks (a fair choice: their order is
            random); -1: all.
        seed: of the run.
        source, chunk: what keys the chunk's permutations.
        rule: (num, den, count), see `run_of_ranks`.
    """
    num, den, count = rule
    first, last = run_of_ranks(n, use, num, den, count, phase(seed, source, chunk, den))
    size = last - first if cap < 0 else min(cap, last - first)
    out = np.empty(size, np.int64)
    positions(out, n, first, seed, source, chunk)
    return out, last - first - size
