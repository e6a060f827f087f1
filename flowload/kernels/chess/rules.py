"""Whether the values in lc0 records keep the rules that lc0's own check of its training data has.

Everything but the policy is looked at in every record of a chunk: 7 nanoseconds beside the 1,150 in which a
record is inflated. A pass over a whole policy takes 75, so that only those of records that are taken are
looked at, where they are packed, and what is no number of an illegal move lies side by side: 7 again.

Source: lc0's `trainingdata/rescorer.cc`, Validate. Two slips are not repeated: result_d has an upper bound of
its own, and 1858 is no number of a move. Stricter: every number is finite, and no share of a policy is nan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.chunks.shares import sum_of_shares
from flowload.kernels.prefetch import prefetch
from flowload.kernels.words import byte_at, count_ones, float_at, int_at

from .records import (
    COUNT,
    FLAGS,
    INPUT_FORMAT,
    MOVES,
    ORIG_Q,
    PROBABILITIES,
    ROOT_Q,
    VALUES,
    format_of,
    is_packed,
    shift_of,
)

__all__ = [
    "HIGHEST",
    "LEAST_SUM",
    "LOWEST",
    "MOST_SUM",
    "RULE50",
    "first_broken",
    "first_wrong_policy",
    "have_policies",
]

VISITS, PLAYED, BEST = 8340, 8344, 8346  #: u32, u16, u16, from version 6
Q_ST, D_ST = 8352, 8356  #: they mean something from version 7

#: Bounds of the numbers from root_q on: q and d of root and best, their m, plies_left, result, played, orig.
FINITE = np.finfo(np.float32).max
LOWEST = np.array([-1, -1, 0, 0, 0, 0, 0, -1, 0, -1, 0, 0, -1, 0, 0], np.float32)
HIGHEST = np.array([1, 1, 1, 1, FINITE, FINITE, FINITE, 1, 1, 1, 1, FINITE, 1, 1, FINITE], np.float32)
NUMBERS = len(LOWEST)
ORIGINAL = (ORIG_Q - ROOT_Q) // 4  #: from here on they may be nan

RULE50 = 100  #: half moves at most
LEAST_SUM, MOST_SUM = 0.99, 1.01  #: of a policy
AHEAD = 4  #: records: what is behind a policy lies in lines that nobody has asked for


@kernel
def first_broken(records: Bytes) -> int:
    """The first of valid, unpacked records (n, size) of one version that breaks a rule; -1: none.

    The policy is not looked at.
    """
    count, size = records.shape
    latest = count > 0 and int_at(records, 0) >= 6
    for i in range(count):
        prefetch(records, min(i + AHEAD, count - 1) * size + FLAGS - 4)
        prefetch(records, min(i + AHEAD + 1, count) * size - 1)
        good = keeps_late_rules(records, i * size) if latest else keeps_early_rules(records, i * size)
        if not good:
            return i
    return -1


# No use of an array in these is the last one on some ways through the function only: there numba counts
# references to it, with atomic instructions, which cost more than all the rest.


@kernel
def keeps_late_rules(records: Bytes, at: int) -> bool:
    """Whether the record of version 6 or later at a byte keeps the rules."""
    form, later = int_at(records, at + INPUT_FORMAT), int_at(records, at) >= 7
    good = keeps_board_rules(records, at + FLAGS, form) & in_bounds(records, at + ROOT_Q, NUMBERS)
    known = np.isfinite(float_at(records, at + Q_ST))
    known &= np.isfinite(float_at(records, at + (D_ST if later else Q_ST)))
    return bool(good & (known | (not later)) & keeps_move_rules(records, at))


@kernel
def keeps_early_rules(records: Bytes, at: int) -> bool:
    """Whether the record of version 3, 4 or 5 at a byte keeps the rules."""
    version = int_at(records, at)
    shifted, form = at + shift_of(version), format_of(records, at, version)
    count = 7 if version == 5 else 4 * (version - 3)
    good = in_bounds(records, shifted + ROOT_Q, count)
    return good & keeps_board_rules(records, shifted + FLAGS, form)


@kernel
def keeps_board_rules(records: Bytes, flags: int, form: int) -> bool:
    """Castling rights, side to move or en passant, and the 50 moves."""
    castling, turn = int_at(records, flags), byte_at(records, flags + 4)
    good = byte_at(records, flags + 5) <= RULE50
    if form == 1:
        good &= castling & 0xFEFEFEFE == 0
    else:
        for k in range(4):
            good &= count_ones((castling >> 8 * k) & 0xFF) <= 1
    return good & (turn <= 1 if form <= 2 else count_ones(turn) <= 1)


@kernel
def in_bounds(records: Bytes, at: int, count: int) -> bool:
    """Whether so many numbers from root_q on, which is at a byte, are within their bounds."""
    good = True
    for k in range(min(count, ORIGINAL)):
        number = float_at(records, at + 4 * k)
        good &= (number >= LOWEST[k]) & (number <= HIGHEST[k])
    for k in range(ORIGINAL, count):
        number = float_at(records, at + 4 * k)
        good &= ((number >= LOWEST[k]) & (number <= HIGHEST[k])) | np.isnan(number)
    return bool(good)


@kernel
def keeps_move_rules(records: Bytes, at: int) -> bool:
    """Whether the moves that were played and found best are moves, legal ones if there was a search."""
    moves, policy = int_at(records, at + PLAYED), at + PROBABILITIES
    played, best = moves & 0xFFFF, moves >> 16
    known = (played < MOVES) & (best < MOVES)
    legal = float_at(records, policy + 4 * min(played, MOVES - 1)) >= 0
    legal &= float_at(records, policy + 4 * min(best, MOVES - 1)) >= 0
    return bool(known & (legal | (int_at(records, at + VISITS) == 0)))


@kernel
def first_wrong_policy(rows: Bytes, which: NDArray[np.int64]) -> int:
    """The first of these of valid rows (n, stride), packed or not, whose policy is none; -1: no such row."""
    for row in which:
        if not has_policy(rows, row * rows.shape[1]):
            return int(row)
    return -1


@kernel
def have_policies(rows: Bytes, begin: int, end: int) -> bool:
    """Whether the policy of each of these of valid rows (n, stride), packed or not, is one."""
    for row in range(begin, end):  # noqa: SIM110 - numba has no `all` of a generator
        if not has_policy(rows, row * rows.shape[1]):
            return False
    return True


@kernel
def has_policy(rows: Bytes, at: int) -> bool:
    """Whether the numbers of a policy are shares, or -1, and the shares add up to 1."""
    word = int_at(rows, at)
    begin, count = at + PROBABILITIES + shift_of(word), MOVES
    if is_packed(word):
        begin, count = at + VALUES, int_at(rows, at + COUNT)
    total = sum_of_shares(rows, begin, count)
    return LEAST_SUM <= total <= MOST_SUM
