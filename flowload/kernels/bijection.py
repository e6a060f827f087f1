"""A keyed random order of 0 .. n-1 in which any place can be computed by itself: no table, no state.

A Feistel network over pairs (a, b) with a < A, b < B and A·B slightly above n: each round adds a keyed hash
of one half to the other, modulo its size, which can be undone. Numbers of n and above, at most 1/sqrt(n)
of all, go through it again until they fall below n (cycle walking).

Source: Black, Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002. The hash is the finalizer of
MurmurHash3 (Appleby, public domain).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ._jit import kernel

__all__ = ["ROUNDS", "halves", "permuted"]

ROUNDS = 6  #: words of key; even: both halves are changed as often

TILE = 512  #: places at once: scratch that stays in the fastest cache

# All words are uint64 that hold 32 bits: so a product is one instruction, and the loops run in vectors.
MIX_0 = np.uint64(0x85EBCA6B)
MIX_1 = np.uint64(0xC2B2AE35)
LOW = np.uint64(0xFFFFFFFF)
S16, S13, S32 = np.uint64(16), np.uint64(13), np.uint64(32)


def halves(n: int) -> tuple[int, int]:
    """A and B for a domain of n: A·B is at least n and less than n + A."""
    a = math.isqrt(max(n - 1, 0)) + 1
    return a, -(-n // a)


@kernel
def below(word: np.uint64, key: np.uint64, size: np.uint64) -> np.uint64:
    """A keyed hash of a word, scaled to [0, size)."""
    word = ((word ^ key) * MIX_0) & LOW
    word = ((word ^ (word >> S16)) * MIX_1) & LOW
    word ^= word >> S13
    return (word * size) >> S32


@kernel
def added(place: np.uint64, step: np.uint64, size: np.uint64) -> np.uint64:
    """(place + step) modulo size, both below it."""
    total = place + step
    return total - size if total >= size else total


@kernel
def rounds(
    a: NDArray[np.uint64], b: NDArray[np.uint64], keys: NDArray[np.uint64], size_a: int, size_b: int
) -> None:
    """Take pairs through the network, in place."""
    wide_a, wide_b = np.uint64(size_a), np.uint64(size_b)
    for k in range(0, len(keys), 2):
        for i in range(len(a)):
            a[i] = added(a[i], below(b[i], keys[k], wide_a), wide_a)
        for i in range(len(a)):
            b[i] = added(b[i], below(a[i], keys[k + 1], wide_b), wide_b)


@kernel
def again(number: np.int64, keys: NDArray[np.uint64], n: int, size_a: int, size_b: int) -> np.int64:
    """A number that fell above the domain, once more until it does not."""
    a, b = np.empty(1, np.uint64), np.empty(1, np.uint64)
    while number >= n:
        a[0], b[0] = np.uint64(number // size_b), np.uint64(number % size_b)
        rounds(a, b, keys, size_a, size_b)
        number = np.int64(a[0]) * size_b + np.int64(b[0])
    return number


@kernel
def pairs(a: NDArray[np.uint64], b: NDArray[np.uint64], start: int, step: int, size_b: int) -> None:
    """Places `start`, `start + step`, ... as pairs; one division for all."""
    high, low = start // size_b, start % size_b
    for i in range(len(a)):
        a[i], b[i] = np.uint64(high), np.uint64(low)
        high += step // size_b
        low += step % size_b
        if low >= size_b:
            low -= size_b
            high += 1


@kernel
def permuted(
    out: NDArray[np.int64], start: int, step: int, keys: NDArray[np.uint64], n: int, size_a: int, size_b: int
) -> None:
    """Write to `out[i]` the number at place `start + i * step` of the order, for places below n.

    Args:
        keys: `ROUNDS` random words of 32 bits; each choice is another order.
        size_a, size_b: `halves(n)`, below 2**31 each.
    """
    a, b = np.empty(TILE, np.uint64), np.empty(TILE, np.uint64)
    for first in range(0, len(out), TILE):
        count = min(TILE, len(out) - first)
        pairs(a[:count], b[:count], start + first * step, step, size_b)
        rounds(a[:count], b[:count], keys, size_a, size_b)
        for i in range(count):
            number = np.int64(a[i]) * size_b + np.int64(b[i])
            out[first + i] = number if number < n else again(number, keys, n, size_a, size_b)
