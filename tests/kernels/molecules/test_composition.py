from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np

from flowload.kernels.molecules.composition import composition_keys


def test_equal_keys_are_equal_elements() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 5, 400)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    numbers = rng.integers(1, 4, int(offsets[-1]), np.int32)
    keys = np.empty(400, np.uint64)
    composition_keys(numbers, offsets, np.arange(400), keys)
    elements = [tuple(sorted(numbers[a:b].tolist())) for a, b in pairwise(offsets)]
    assert (
        len(set(elements))
        == len(set(keys.tolist()))
        == len(Counter(zip(elements, keys.tolist(), strict=True)))
    )


def test_keys_never_change() -> None:
    """A split of yesterday is that of tomorrow."""
    keys = np.empty(2, np.uint64)
    numbers, offsets = np.array([8, 1, 1, 6], np.int32), np.array([0, 3, 4], np.int64)
    composition_keys(numbers, offsets, np.array([0, 1]), keys)
    assert keys.tolist() == [scatter(8) + 2 * scatter(1) & (1 << 64) - 1, scatter(6)]


def scatter(number: int) -> int:
    """splitmix64, with Python's numbers."""
    mask = (1 << 64) - 1
    word = (number + 1) * 0x9E3779B97F4A7C15 & mask
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & mask
    word = (word ^ word >> 27) * 0x94D049BB133111EB & mask
    return word ^ word >> 31
