"""Where the fields of an lc0 record lie, by version, and whether a record is one.

Offsets are those of version 5 and later; versions 3 and 4 have no input_format, so that everything behind
the version lies 4 bytes earlier (`shift_of`). What a version lacks must not be read.
"""

from __future__ import annotations

from flowload.protocols import Bytes

from ._jit import kernel
from .words import byte_at, int_at

__all__ = ["first_bad", "format_of", "shift_of", "size_of"]

INPUT_FORMAT = 4  #: u32
PROBABILITIES = 8  #: f32[1858]
PLANES = 7440  #: u64[104]
FLAGS = 8272  #: u8[7]: us_ooo, us_oo, them_ooo, them_oo, side to move or en passant, rule50, and the next
INVARIANCE = 8278  #: u8: before version 5 the move count
RESULT = 8279  #: i8: 1, 0, -1; counts before version 6
ROOT_Q, BEST_Q, ROOT_D, BEST_D = 8280, 8284, 8288, 8292  #: f32, from version 4
ROOT_M, BEST_M, PLIES_LEFT = 8296, 8300, 8304  #: f32, from version 5
RESULT_Q, RESULT_D = 8308, 8312  #: f32, as all that follow, from version 6
PLAYED_Q, PLAYED_D, PLAYED_M = 8316, 8320, 8324
ORIG_Q, ORIG_D, ORIG_M = 8328, 8332, 8336
Q_ST = 8352
D_ST = 8356  #: from version 7


@kernel
def size_of(version: int) -> int:
    """Bytes of a record; 0: no such version."""
    if version == 6:
        return 8356
    if version == 7:
        return 8396
    if version == 5:
        return 8308
    if version == 4:
        return 8292
    if version == 3:
        return 8276
    return 0


@kernel
def shift_of(version: int) -> int:
    """What to add to an offset behind the version."""
    return 0 if version >= 5 else -4


@kernel
def format_of(rows: Bytes, at: int, version: int) -> int:
    """The input format of the record of a known version that starts at byte `at`."""
    return int_at(rows, at + INPUT_FORMAT) if version >= 5 else 1


@kernel
def first_bad(rows: Bytes, version: int) -> int:
    """The first of the rows (n, stride) uint8 that is no record of the given version (0: of any); -1: none.

    A record has a known version whose size fits its row, a known input format, and before version 6 a
    result of 1, 0 or -1. `stride` must be at least the size of the smallest record.
    """
    n, stride = rows.shape
    for i in range(n):
        at = i * stride
        found = int_at(rows, at)
        size = size_of(found)
        if size == 0 or size > stride or (version not in (0, found)):
            return i
        form = format_of(rows, at, found)
        if not (1 <= form <= 5 or 132 <= form <= 133):
            return i
        if found < 6 and byte_at(rows, at + RESULT + shift_of(found)) not in (0, 1, 255):
            return i
    return -1
