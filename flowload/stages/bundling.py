"""Several small batches as one block: what a block costs beside its bytes is then paid once for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from flowload.blocks import Batch, Bundle

__all__ = ["MOST", "TARGET", "bundle", "how_many"]

TARGET = 2 << 20  #: bytes of a bundle, at most, where it is more than one batch: little enough for the cache
MOST = 64  #: batches of a bundle


def how_many(nbytes: int) -> int:
    """Batches of so many bytes that go together."""
    return max(1, min(MOST, TARGET // max(1, nbytes)))


def bundle(arrays: Mapping[str, Any], size: int, whole: Mapping[str, Any]) -> Bundle:
    """Batches of `size` rows of these arrays, each with `whole` beside them."""
    nbytes = sum(np.asarray(array).nbytes for array in arrays.values())
    samples = len(next(iter(arrays.values())))
    return Bundle(tuple(parts(arrays, size, samples, dict(whole))), nbytes, samples)


def parts(arrays: Mapping[str, Any], size: int, samples: int, whole: dict[str, Any]) -> Iterator[Batch]:
    """Slices of arrays of so many samples."""
    for begin in range(0, samples, size):
        rows = slice(begin, begin + size)
        yield Batch({key: array[rows] for key, array in arrays.items()}, whole, begin > 0)
