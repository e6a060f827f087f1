"""Where the fields of an lc0 record lie, by version, and whether a record is one.

Offsets are those of version 5 and later; versions 3 and 4 have no input_format, so that everything behind
the version lies 4 bytes earlier (`shift_of`). What a version lacks must not be read.

A record in memory may be packed. Most of its bytes are the policy, nearly all of which is one value (-1: an
illegal move). A packed record has PACKED set in its version word and no policy where records have it, so that
everything behind lies 7432 bytes earlier; at its end it has the policy as a mask of what is not that value,
and those numbers: about 1.3 KB instead of 8.4, every bit kept. Other kernels take both kinds, also mixed.
"""

from __future__ import annotations

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel
from flowload.kernels.words import byte_at, count_ones, int_at, word_at

__all__ = ["first_bad", "format_of", "is_packed", "is_record", "shift_of", "size_of", "version_of"]

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

MOVES = 1858  #: numbers of a policy
POLICY = 4 * MOVES  #: bytes
PACKED = 1 << 31  #: in the version word
COMMON = 964  #: of a packed record, u32: what most of the policy is; the largest record's end lies here
COUNT = 968  #: u32: how many numbers are something else
MASK, GROUPS = 972, 59  #: u32[59]: bit k of word g: number 32 * g + k is one of them
VALUES = 1208  #: f32[count]: they, in order


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
def version_of(word: int) -> int:
    """The version that a record's first word says."""
    return word & (PACKED - 1)


@kernel
def is_packed(word: int) -> bool:
    """Whether a record's first word says that it is packed."""
    return word >= PACKED


@kernel
def shift_of(word: int) -> int:
    """What to add to an offset behind the policy, for a record with this first word."""
    shift = 0 if version_of(word) >= 5 else -4
    return shift - POLICY if is_packed(word) else shift


@kernel
def format_of(rows: Bytes, at: int, word: int) -> int:
    """The input format of the record that starts at byte `at` with this word."""
    form = int_at(rows, at + INPUT_FORMAT)
    return form if version_of(word) >= 5 else 1


@kernel
def policy_fits(rows: Bytes, at: int, stride: int) -> bool:
    """Whether a packed record's policy lies within its row, and is as long as its mask says."""
    count = int_at(rows, at + COUNT)
    last = int_at(rows, at + MASK + 4 * (GROUPS - 1))
    ones = count_ones(last)
    for pair in range(GROUPS // 2):
        ones += count_ones(int(word_at(rows, at + MASK + 8 * pair)))
    return VALUES + 4 * count <= stride and ones == count and last >> (MOVES % 32) == 0


@kernel
def first_bad(rows: Bytes, version: int) -> int:
    """The first of the rows (n, stride) uint8 that is no record of the given version (0: of any); -1: none.

    A record has a known version whose size fits its row, a known input format, and before version 6 a
    result of 1, 0 or -1; packed, it has a policy that fits its row. `stride` must be at least VALUES.
    """
    for i in range(len(rows)):
        if not is_record(rows, i, version):
            return i
    return -1


@kernel
def is_record(rows: Bytes, i: int, version: int) -> bool:
    """Whether row i is a record of the given version (0: of any): see `first_bad`."""
    stride = rows.shape[1]
    at = i * stride
    word = int_at(rows, at)
    found = version_of(word)
    size = size_of(found)
    good = (size != 0) & ((version == 0) | (version == word))
    if is_packed(word):
        good &= policy_fits(rows, at, stride)
    else:
        good &= size <= stride
    form = format_of(rows, at, word)
    good &= ((form >= 1) & (form <= 5)) | (form == 132) | (form == 133)
    # Read whatever the row is, see `kernels.chess.rules`; a row that is too short has no byte there.
    result = byte_at(rows, at + min(RESULT + shift_of(word), stride - 1))
    return good & ((found >= 6) | (result <= 1) | (result == 255))
