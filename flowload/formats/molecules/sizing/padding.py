"""How much of padded batches holds atoms, and how large buckets have to be so that it is enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowload.abc.stage import check_counts, share
from flowload.errors import GraphError

__all__ = ["best_bucket", "padding_efficiency"]

SAMPLE = 1 << 18  #: molecules that are looked at, at most: more say the same


def padding_efficiency(sizes: ArrayLike, batch_size: int, bucket_size: int, *, seed: int = 0) -> float:
    """Atoms per slot of `shuffle >> bucket(bucket_size) >> batch(batch_size)`, padded to the batch's largest.

    A simulation of one pass, with a random order of its own; the share that a run shows as its gauge
    `padding_efficiency` differs by chance alone.

    Args:
        sizes: atoms of every molecule.
        batch_size: molecules of a batch.
        bucket_size: molecules that are sorted by size; 1 or `batch_size`: none are, really.
        seed: of the order.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.asarray(sizes, np.int64).reshape(-1))[:SAMPLE]
    begins = np.arange(0, len(order), bucket_size)
    cut = np.concatenate([np.sort(order[begin : begin + bucket_size]) for begin in begins])
    return float(cut.sum() / slots(cut, batch_size))


def slots(sizes: NDArray[np.int64], batch_size: int) -> int:
    """Slots of all batches of these molecules in this order."""
    begins = np.arange(0, len(sizes), batch_size)
    counts = np.minimum(len(sizes) - begins, batch_size)
    return int((np.maximum.reduceat(sizes, begins) * counts).sum())


def best_bucket(sizes: ArrayLike, batch_size: int, efficiency: float, *, seed: int = 0) -> int:
    """The smallest bucket, in whole batches, whose padding is at least so efficient: more stays to chance.

    Args:
        sizes: atoms of every molecule, such as `n_atoms.npy` of a packed folder.
        batch_size: molecules of a batch.
        efficiency: wanted share of slots that hold an atom, below 1.
        seed: of the simulated order.

    Raises GraphError where even one bucket of everything is not enough, and says what it gives.
    """
    every = np.asarray(sizes, np.int64).reshape(-1)
    check_counts("best_bucket", batch_size=batch_size)
    if not share(efficiency) or not len(every) or every.min() < 1:
        raise GraphError(
            f"best_bucket: efficiency is {efficiency!r} for {len(every)} sizes; "
            "wanted 0.0 to below 1.0, and sizes from 1"
        )
    batches = -(-min(len(every), SAMPLE) // batch_size)

    def reached(count: int) -> float:
        return padding_efficiency(every, batch_size, count * batch_size, seed=seed)

    if (most := reached(batches)) < efficiency:
        raise GraphError(
            f"best_bucket: efficiency {efficiency} cannot be reached: all {len(every):,} molecules in one "
            f"bucket give {most:.4f}; wanted no more than that, or smaller batches"
        )
    low, high = 0, 1  # buckets of `low` batches are too small, those of `high` are large enough
    while high < batches and reached(high) < efficiency:
        low, high = high, min(2 * high, batches)
    while high - low > max(1, low // 16):
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= efficiency else (middle, high)
    return high * batch_size
