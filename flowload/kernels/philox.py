"""Philox4x64-10, the counter-based generator of numpy's `Philox`, bit for bit, for use inside kernels.

A *stream* is five words: two of key and the upper three of the counter; the lowest counter word counts
blocks of four random words, from 1 as in numpy. Any word of a stream can be computed without the ones
before it, which is what makes results independent of how work was cut into blocks or spread over
threads.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._jit import kernel

__all__ = ["Words", "block", "integers", "permutation", "stream"]

Words = NDArray[np.uint64]

WORD = (1 << 64) - 1
ROUNDS = 10
MULTIPLIER_0 = np.uint64(0xD2E7470EE14C6C93)
MULTIPLIER_1 = np.uint64(0xCA5A826395121157)
WEYL_0 = np.uint64(0x9E3779B97F4A7C15)
WEYL_1 = np.uint64(0xBB67AE8584CAA73B)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
ZERO = np.uint64(0)
ONE = np.uint64(1)
REDRAWS = np.uint64(1 << 63)


def stream(key: tuple[int, int], c1: int = 0, c2: int = 0, c3: int = 0) -> Words:
    """The five words that name a stream: numpy's `Philox(key=key, counter=(0, c1, c2, c3))`."""
    return np.array([word & WORD for word in (*key, c1, c2, c3)], dtype=np.uint64)


@kernel
def high(a: np.uint64, b: np.uint64) -> np.uint64:
    """The upper 64 bits of the 128-bit product."""
    # A literal int beside an uint64 would make numba compute in float64: hence the named constants.
    a0, a1 = a & LOW, a >> HALF
    b0, b1 = b & LOW, b >> HALF
    middle = a1 * b0 + ((a0 * b0) >> HALF)
    other = a0 * b1 + (middle & LOW)
    return a1 * b1 + (middle >> HALF) + (other >> HALF)


@kernel
def block(
    words: Words, c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> None:
    """Write the four words of one counter value to `words`."""
    for _ in range(ROUNDS):
        high_0, low_0 = high(MULTIPLIER_0, c0), MULTIPLIER_0 * c0
        high_1, low_1 = high(MULTIPLIER_1, c2), MULTIPLIER_1 * c2
        c0, c1, c2, c3 = high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0
        k0 += WEYL_0
        k1 += WEYL_1
    words[0], words[1], words[2], words[3] = c0, c1, c2, c3


@kernel
def bounded(word: np.uint64, bound: np.uint64, where: Words, number: np.uint64) -> np.uint64:
    """An unbiased integer below `bound` from word `number` of a stream.

    Lemire's multiplication; a rejected word is redrawn from a far part of the same stream that no
    other number uses, so that each number still depends on its own place alone.
    """
    if word * bound >= bound:
        return high(word, bound)
    threshold = (ZERO - bound) % bound
    words = np.empty(4, np.uint64)
    redraws = REDRAWS + number
    salt = ZERO
    while word * bound < threshold:
        block(words, redraws, where[2], where[3], where[4] ^ salt, where[0], where[1])
        word = words[0]
        salt += ONE
    return high(word, bound)


@kernel
def integers(out: NDArray[np.int64], bound: int, step: int, where: Words, start: int) -> None:
    """Fill `out` with integers `start`, `start + 1`, ... of a stream.

    `out[i]` is uniform on [0, bound + i * step); no bound may be below 1.
    """
    words = np.empty(4, np.uint64)
    for i in range(len(out)):
        number = start + i
        if i == 0 or number % 4 == 0:
            block(words, np.uint64(number // 4 + 1), where[2], where[3], where[4], where[0], where[1])
        out[i] = bounded(words[number % 4], np.uint64(bound + i * step), where, np.uint64(number))


@kernel
def permutation(out: NDArray[np.int64], where: Words, count: int) -> None:
    """Write a uniformly random order of 0 .. len(out) - 1, of which the first `count` places are final.

    Fisher-Yates from the front: a longer prefix of the same stream begins with the shorter one.
    """
    size = len(out)
    for i in range(size):
        out[i] = i
    words = np.empty(4, np.uint64)
    for i in range(min(count, size - 1)):
        if i % 4 == 0:
            block(words, np.uint64(i // 4 + 1), where[2], where[3], where[4], where[0], where[1])
        j = i + np.int64(bounded(words[i % 4], np.uint64(size - i), where, np.uint64(i)))
        out[i], out[j] = out[j], out[i]
