"""Slow, obvious twins of the sampling kernels: Python integers, lists and Fractions only."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

__all__ = ["integers", "permutation", "phase", "philox", "positions", "ranks", "swap", "words"]

WORD = (1 << 64) - 1
TWO64 = 1 << 64


def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]:
    """Philox4x64-10 of one counter value, as the paper writes it."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (b >> 64) ^ c1 ^ k0, b & WORD, (a >> 64) ^ c3 ^ k1, a & WORD
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & WORD, (k1 + 0xBB67AE8584CAA73B) & WORD
    return [c0, c1, c2, c3]


def words(key: Sequence[int], rest: Sequence[int]) -> Iterator[int]:
    """All words of a stream."""
    for block in itertools.count(1):
        yield from philox((block, *rest), key)


def bounded(word: int, bound: int, number: int, key: Sequence[int], rest: Sequence[int]) -> int:
    salt = 0
    while word * bound % TWO64 < TWO64 % bound:
        word = philox(((1 << 63) + number, rest[0], rest[1], rest[2] ^ salt), key)[0]
        salt += 1
    return word * bound // TWO64


def integers(bounds: Sequence[int], key: Sequence[int], rest: Sequence[int], start: int = 0) -> list[int]:
    """Integers below these bounds: numbers `start`, `start + 1`, ... of a stream."""
    some = itertools.islice(words(key, rest), start, start + len(bounds))
    pairs = zip(some, bounds, strict=True)
    return [bounded(word, bound, start + i, key, rest) for i, (word, bound) in enumerate(pairs)]


def permutation(size: int, key: Sequence[int], rest: Sequence[int]) -> list[int]:
    """Fisher-Yates from the front."""
    out = list(range(size))
    for i, word in enumerate(itertools.islice(words(key, rest), max(size - 1, 0))):
        j = i + bounded(word, size - i, i, key, rest)
        out[i], out[j] = out[j], out[i]
    return out


def phase(seed: int, source: int, chunk: int, den: int) -> int:
    """Where in its first cycle a chunk's first use begins, in `den`-ths of a position."""
    return philox((0, chunk, 0, 1), (seed & WORD, source))[0] % den


def ranks(rate: Fraction | None, count: int | None, use: int, n: int, offset: int) -> tuple[int, int]:
    """First and last rank (exclusive) of one use of a chunk of n records."""
    if rate is not None:
        begin, end = ((u * n * rate + Fraction(offset, rate.denominator)) for u in (use, use + 1))
        return math.floor(begin), math.floor(end)
    assert count is not None
    slices = max(1, n // count)
    begin_rank = use // slices * n + use % slices * count
    return begin_rank, begin_rank + min(count, n)


def positions(first: int, last: int, n: int, seed: int, source: int, chunk: int) -> list[int]:
    """Positions of ranks first .. last - 1 in the endless sequence of a chunk's permutations, sorted."""
    if last - first == n and first % n == 0:
        return list(range(n))
    key = (seed & WORD, source)
    return sorted(permutation(n, key, (chunk, r // n, 0))[r % n] for r in range(first, last))


def swap(slots: list[bytes], rows: list[bytes], which: Sequence[int]) -> None:
    """Exchange row i with slot which[i], one after the other."""
    for i, j in enumerate(which):
        slots[j], rows[i] = rows[i], slots[j]
