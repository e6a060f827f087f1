"""Records in a sixth of their bytes and back, bit for bit: what waits in memory is packed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.words import clear_bytes, copy_bytes, differ, fill_ints, first_one, int_at, put_int

from .records import (
    COMMON,
    COUNT,
    GROUPS,
    MASK,
    MOVES,
    PACKED,
    POLICY,
    PROBABILITIES,
    VALUES,
    is_packed,
    shift_of,
    size_of,
    version_of,
)

__all__ = ["pack_records", "unpack_records"]

ILLEGAL = 0xBF800000  #: -1.0, from version 4; before, illegal moves are 0


@kernel
def pack_records(records: Bytes, which: NDArray[np.int64], out: Bytes) -> int:
    """Pack valid, unpacked records: rows `which` of `records` (n, size), of one version, to out (k, stride).

    Bytes of a row that mean nothing are 0. Returns the first i whose policy does not fit its row; -1: none.
    """
    size, stride = records.shape[1], out.shape[1]
    for i in range(len(which)):
        source, target = which[i] * size, i * stride
        version = int_at(records, source)
        head = PROBABILITIES + shift_of(version)
        rest = size - head - POLICY
        copy_bytes(out, target, records, source, head)
        put_int(out, target, version | PACKED)
        copy_bytes(out, target + head, records, source + head + POLICY, rest)
        clear_bytes(out, target + head + rest, COMMON - head - rest)
        common = ILLEGAL if version >= 4 else 0
        if not pack_policy(records, source + head, out, i, common):
            return i
    return -1


@kernel
def pack_policy(records: Bytes, source: int, out: Bytes, i: int, common: int) -> bool:
    """Pack the policy that starts at byte `source`; False if row i has no room for all of it."""
    stride = out.shape[1]
    target = i * stride
    end = target + stride
    to = target + VALUES
    for group in range(GROUPS):
        at = source + 128 * group
        mask = mask_of(records, at, group, common)
        put_int(out, target + MASK + 4 * group, mask)
        while mask:
            if to + 4 > end:
                return False
            put_int(out, to, int_at(records, at + 4 * first_one(mask)))
            to += 4
            mask &= mask - 1
    put_int(out, target + COMMON, common)
    put_int(out, target + COUNT, (to - target - VALUES) // 4)
    clear_bytes(out, to, end - to)
    return True


@kernel
def mask_of(records: Bytes, at: int, group: int, common: int) -> int:
    """Which of the 32 numbers of a group (fewer of the last) are not the common one."""
    if group < GROUPS - 1:
        return differ(records, at, common)
    mask = 0
    for k in range(MOVES % 32):
        if int_at(records, at + 4 * k) != common:
            mask |= 1 << k
    return mask


@kernel
def unpack_records(rows: Bytes, out: Bytes) -> None:
    """Records as they are on disk: valid rows (n, stride) to out (n, size); 0 behind each.

    `size` is that of the largest version's record, or more.
    """
    stride, size = rows.shape[1], out.shape[1]
    for i in range(len(rows)):
        source, target = i * stride, i * size
        clear_bytes(out, target, size)
        word = int_at(rows, source)
        if is_packed(word):
            head = PROBABILITIES + shift_of(version_of(word))
            copy_bytes(out, target, rows, source, head)
            put_int(out, target, version_of(word))
            copy_bytes(out, target + head + POLICY, rows, source + head, COMMON - head)
            spread_policy(rows, source, out, target + head)
        else:
            copy_bytes(out, target, rows, source, size_of(word))


@kernel
def spread_policy(rows: Bytes, at: int, out: NDArray[np.generic], start: int) -> None:
    """Write the policy of the packed record at byte `at` from byte `start` of `out`."""
    common = int_at(rows, at + COMMON)
    fill_ints(out, start, common, MOVES)
    source = at + VALUES
    for group in range(GROUPS):
        mask = int_at(rows, at + MASK + 4 * group)
        while mask:
            put_int(out, start + 4 * (32 * group + first_one(mask)), int_at(rows, source))
            source += 4
            mask &= mask - 1
