"""Slow, obvious twins of the kernels that put rows in order: Python integers and lists only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import WRITTEN, Order

__all__ = ["by_size", "order", "ways"]

WORD = 1 << 32


def below(word: int, key: int, size: int) -> int:
    """The finalizer of MurmurHash3 as far as its second shift, scaled to [0, size)."""
    word = (word ^ key) * 0x85EBCA6B % WORD
    word = (word ^ (word >> 16)) * 0xC2B2AE35 % WORD
    word ^= word >> 13
    return word * size >> 32


def halves(n: int) -> tuple[int, int]:
    """The smallest A with A · A >= n, and the smallest B with A · B >= n."""
    a = next(a for a in range(1, n + 2) if a * a >= n)
    return a, next(b for b in range(1, n + 2) if a * b >= n)


def once(number: int, keys: Sequence[int], size_a: int, size_b: int) -> int:
    a, b = divmod(number, size_b)
    for k, key in enumerate(keys):
        if k % 2 == 0:
            a = (a + below(b, key, size_a)) % size_a
        else:
            b = (b + below(a, key, size_b)) % size_b
    return a * size_b + b


def order(n: int, keys: Sequence[int]) -> list[int]:
    """All places of the keyed order."""
    size_a, size_b = halves(n)
    numbers = []
    for place in range(n):
        number = once(place, keys, size_a, size_b)
        while number >= n:
            number = once(number, keys, size_a, size_b)
        numbers.append(number)
    return numbers


def ways(n: int, seed: int, count: int) -> tuple[NDArray[np.int64], list[tuple[NDArray[np.int64], Order]]]:
    """Some row numbers below n, and the two ways to tell a kernel: the numbers, or an order of them."""
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, WORD, 6, np.uint64)
    start, step = int(rng.integers(n)), int(rng.integers(1, 4))
    rows = np.array(order(n, keys.tolist())[start::step][:count], np.int64)
    computed: Order = start, step, n, *halves(n), keys
    return rows, [(rows.copy(), WRITTEN), (np.full(len(rows), -1), computed)]


def by_size(sizes: Sequence[int]) -> list[int]:
    """Places by rising size, equals in their order."""
    return sorted(range(len(sizes)), key=lambda place: (sizes[place], place))
