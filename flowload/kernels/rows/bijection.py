"""A keyed random order of 0 .. n-1 in which any place can be computed by itself: no table, no state.

A Feistel network over pairs (a, b) with a < A, b < B and A·B slightly above n: each round adds a keyed hash
of one half to the other, modulo its size, which can be undone. Numbers of n and above, at most 1/sqrt(n)
of all, go through it again until they fall below n (cycle walking).

Source: Black, Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002. The hash is the finalizer of
MurmurHash3 (Appleby, public domain).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias, cast

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from flowload.abc.records import Order
from flowload.kernels._jit import kernel
from flowload.kernels.words import I32, I64, pointer, splat

__all__ = ["ROUNDS", "halves", "permuted", "write_rows"]

Halves: TypeAlias = NDArray[np.uint32]

ROUNDS = 6  #: words of key; even: both halves are changed as often

TILE = 512  #: places at once: scratch that stays in the fastest cache

MIX_0, MIX_1 = 0x85EBCA6B, 0xC2B2AE35
LANES = 8
WORDS, LONGS = ir.VectorType(I32, LANES), ir.VectorType(I64, LANES)


@lru_cache(maxsize=64)
def halves(n: int) -> tuple[int, int]:
    """A and B for a domain of n: A·B is at least n and less than n + A."""
    a = math.isqrt(max(n - 1, 0)) + 1
    return a, -(-n // a)


def every(vector: ir.VectorType, value: int) -> Any:
    """A vector with the same number in every place (LLVM splat)."""
    return ir.Constant(vector, [value] * LANES)


def below(builder: Any, words: Any, key: Any, size: Any) -> Any:
    """A keyed hash of each word, scaled to [0, size)."""
    words = builder.mul(builder.xor(words, key), every(WORDS, MIX_0))
    words = builder.mul(builder.xor(words, builder.lshr(words, every(WORDS, 16))), every(WORDS, MIX_1))
    words = builder.xor(words, builder.lshr(words, every(WORDS, 13)))
    product = builder.mul(builder.zext(words, LONGS), builder.zext(size, LONGS))
    return builder.trunc(builder.lshr(product, every(LONGS, 32)), WORDS)


def added(builder: Any, places: Any, steps: Any, size: Any) -> Any:
    """(place + step) modulo size, both below it: what wraps around below 0 is the larger one."""
    total = builder.add(places, steps)
    less = builder.sub(total, size)
    return builder.select(builder.icmp_unsigned("<", less, total), less, total)


def mix(typingctx: Any, to: Any, of: Any, i: Any, key: Any, size: Any) -> Any:  # noqa: ARG001
    """Half a round for eight pairs: add to `to[i : i + 8]` the hash of `of[i : i + 8]`, modulo `size`.

    Spelled out, because numba widens 32-bit words to 64: that takes four times as long.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = builder.shl(args[2], ir.Constant(I64, 2))
        at = pointer(context, builder, (signature.args[0], args[0]), byte, WORDS)
        other = pointer(context, builder, (signature.args[1], args[1]), byte, WORDS)
        keys, sizes = (splat(builder, builder.trunc(args[k], I32), WORDS) for k in (3, 4))
        steps = below(builder, builder.load(other, align=4), keys, sizes)
        builder.store(added(builder, builder.load(at, align=4), steps, sizes), at, align=4)
        return context.get_dummy_value()

    return types.void(to, of, types.intp, types.uint64, types.uint64), codegen


half_round = cast("Callable[[Halves, Halves, int, np.uint64, int], None]", intrinsic(mix))


@kernel
def rounds(a: Halves, b: Halves, keys: NDArray[np.uint64], size_a: int, size_b: int) -> None:
    """Take pairs, a multiple of eight, through the network, in place."""
    for k in range(0, len(keys), 2):
        for i in range(0, len(a), LANES):
            half_round(a, b, i, keys[k], size_a)
        for i in range(0, len(a), LANES):
            half_round(b, a, i, keys[k + 1], size_b)


@kernel
def again(number: np.int64, keys: NDArray[np.uint64], n: int, size_a: int, size_b: int) -> np.int64:
    """A number that fell above the domain, once more until it does not."""
    a, b = np.zeros(LANES, np.uint32), np.zeros(LANES, np.uint32)
    while number >= n:
        a[0], b[0] = number // size_b, number % size_b
        rounds(a, b, keys, size_a, size_b)
        number = np.int64(a[0]) * size_b + np.int64(b[0])
    return number


@kernel
def pairs(a: Halves, b: Halves, start: int, step: int, size_b: int) -> None:
    """Places `start`, `start + step`, ... as pairs; one division for all."""
    high, low = start // size_b, start % size_b
    up, on = step // size_b, step % size_b
    i = 0
    while i < len(a):
        count = min(len(a) - i, -(-(size_b - low) // on)) if up == 0 else 1
        a[i : i + count] = high  # one after the other in the same row
        for k in range(i, i + count):
            b[k] = low + (k - i) * on
        i += count
        low += count * on
        over = low >= size_b
        high += count * up + over
        low -= size_b * over


@kernel
def permuted(
    out: NDArray[np.int64], start: int, step: int, keys: NDArray[np.uint64], n: int, size_a: int, size_b: int
) -> None:
    """Write to `out[i]` the number at place `start + i * step` of the order, for places below n.

    Args:
        keys: `ROUNDS` random words of 32 bits; each choice is another order.
        size_a, size_b: `halves(n)`, below 2**31 each.
    """
    a, b = np.zeros(TILE, np.uint32), np.zeros(TILE, np.uint32)
    for first in range(0, len(out), TILE):
        count = min(TILE, len(out) - first)
        pairs(a[:count], b[:count], start + first * step, step, size_b)
        whole = -(-count // LANES) * LANES  # what lies behind the last pair is any pair
        rounds(a[:whole], b[:whole], keys, size_a, size_b)
        most = np.int64(0)
        for i in range(count):
            out[first + i] = np.int64(a[i]) * size_b + np.int64(b[i])
            most = max(most, out[first + i])
        for i in range(count if most >= n else 0):  # in most tiles, none
            if out[first + i] >= n:
                out[first + i] = again(out[first + i], keys, n, size_a, size_b)


@kernel
def write_rows(rows: NDArray[np.int64], order: Order) -> None:
    """Write to `rows` the numbers of an order; nothing where it is `records.WRITTEN`.

    Other kernels call it first: a call of its own would come back for the interpreter's lock, which takes as
    long as to compute a batch of them.

    Args:
        order: what `permuted` is given: start, step, n, size_a, size_b and keys; none: nothing to write.
    """
    start, step, n, size_a, size_b, keys = order
    if len(keys):
        permuted(rows, start, step, keys, n, size_a, size_b)
