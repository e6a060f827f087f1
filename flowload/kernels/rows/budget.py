"""A stream of rows cut into batches that each take no more than a budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.kernels._jit import kernel

__all__ = ["cut_by_budget"]

Ints = NDArray[np.int64]


@kernel
def cut_by_budget(
    costs: Ints, kinds: Ints, limit: int, padded: bool, owners: Ints, begun: Ints, ended: Ints
) -> int:
    """Write the batch of each row, and which batches are complete, in the order in which they became it.

    Rows of one kind go to one batch in their order, until the next would not fit; batches of several kinds
    grow side by side. They are numbered as they begin, from 0.

    Args:
        costs: what each row takes, none more than `limit`.
        kinds: of each row, numbers from 0.
        limit: what a batch takes at most.
        padded: a row takes as much as the costliest of its batch: then a batch is complete as soon as one
            more like these would not fit; else when a row comes that does not.
        owners: (rows,), written to.
        begun: (kinds, 3), scratch: number of the batch that grows, or -1; its rows; what they take, or the
            most that one of them does.
        ended: (rows,), written to.

    Returns how many batches are complete.
    """
    begun[:, 0] = -1
    batches = done = 0
    for i in range(len(costs)):
        own = begun[kinds[i]]
        if own[0] >= 0 and taken(own, costs[i], padded) > limit:
            ended[done], own[0] = own[0], -1
            done += 1
        if own[0] < 0:
            own[0], own[1], own[2] = batches, 0, 0
            batches += 1
        owners[i] = own[0]
        own[1] += 1
        own[2] = max(own[2], costs[i]) if padded else own[2] + costs[i]
        if padded and (own[1] + 1) * own[2] > limit:
            ended[done], own[0] = own[0], -1
            done += 1
    return done


@kernel
def taken(own: Ints, cost: int, padded: bool) -> int:
    """What a batch would take with one more row."""
    return int((own[1] + 1) * max(own[2], cost) if padded else own[2] + cost)
