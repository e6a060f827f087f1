"""What a batch of chess positions looks like: three layouts, each made of kernels that write in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.operators import Bytes, NamedArrays
from flowload.kernels.chess.layouts import encode_bits, encode_tensors, encode_tuple
from flowload.kernels.streaming import is_large

from .records import check_rows, check_shape

__all__ = ["BITS", "TENSORS", "TUPLE", "Lc0Layout"]

F32, U64, U8 = np.dtype("<f4"), np.dtype("<u8"), np.dtype("u1")


@dataclass(frozen=True)
class Lc0Layout:
    """Named arrays, and the kernel that fills them.

    The kernel takes records (n, stride), the part of each array that they fill, and whether to write past the
    caches; it returns the first row that is no record, or -1.
    """

    name: str
    shapes: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]
    kernel: Callable[..., int]

    def fields(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Per key: the shape of one sample, and the dtype."""
        return self.shapes

    def need(self) -> Need:
        """The kernel, and arguments like those of `encode`."""
        parts = {key: np.empty((2, *shape), dtype) for key, (shape, dtype) in self.shapes.items()}
        return self.kernel, (np.empty((2, 2), np.uint8), *flat(parts), False)

    def encode(self, rows: Bytes, out: NamedArrays, start: int) -> None:
        """Write records of any versions, one a row, to `out[key][start : start + n]`; without the GIL.

        Raises DataError for a row that is no record, ValueError for an array that does not fit.
        """
        rows = np.ascontiguousarray(rows)
        check_shape(rows, "a batch")
        if not len(rows):
            return
        parts, nbytes = {}, 0
        for key, (shape, dtype) in self.shapes.items():
            part = out[key][start : start + len(rows)]
            if part.shape != (len(rows), *shape) or part.dtype != dtype or not part.flags.c_contiguous:
                found = f"{part.dtype} {part.shape}"
                wanted = f"{dtype} {(len(rows), *shape)}, contiguous"
                raise ValueError(f"out[{key!r}] from {start} on gives {found}; wanted {wanted}")
            parts[key] = part
            nbytes += out[key].nbytes
        if self.kernel(rows, *flat(parts), is_large(nbytes)) >= 0:
            check_rows(rows, "a batch")


def flat(parts: NamedArrays) -> Iterator[NDArray[Any]]:
    """The arrays as kernels take them: planes as one row a sample."""
    for key, part in parts.items():
        yield part.reshape(len(part), -1) if key == "planes" else part


#: What lc0's C++ loader gives: input planes, policy target, and six rows of (q, d, m): result, best, played,
#: orig, root, st. What a record's version does not hold is nan.
TENSORS = Lc0Layout(
    "tensors",
    {"planes": ((112, 8, 8), F32), "probabilities": ((1858,), F32), "values": ((6, 3), F32)},
    encode_tensors,
)

#: The training tuple of lc0's Python parser: planes, policy, win-draw-loss of the game and of the search,
#: plies left.
TUPLE = Lc0Layout(
    "tuple",
    {
        "planes": ((112, 64), F32),
        "probs": ((1858,), F32),
        "winner": ((3,), F32),
        "best_q": ((3,), F32),
        "plies_left": ((), F32),
    },
    encode_tuple,
)

#: As "tensors", but with the planes packed: 840 bytes instead of 28,672, to be expanded on the device.
#:
#: `bits[p]`, for planes p = 0 … 103: square s = 8 * row + column is bit `s ^ 7` of the word; that is, byte
#: `row` of the little-endian word holds the row, its most significant bit column 0.
#:
#: `scalars` is what planes 104 … 111 are made of, one byte each: 0 castling us_ooo (long), 1 us_oo (short),
#: 2 them_ooo, 3 them_oo, 4 side to move (input formats 1, 2) or mask of en passant files (above), 5 rule50
#: count, 6 invariance info (move count in versions 3 and 4), 7 input format. With s for `scalars`:
#:
#:     plane     format 1       format 2                     formats 3, 4, 5, 132, 133
#:     104       all = s[0]     ranks(s[0], s[2])            ranks(s[0], s[2])
#:     105       all = s[1]     ranks(s[1], s[3])            ranks(s[1], s[3])
#:     106, 107  all = s[2, 3]  0                            0
#:     108       all = s[4]     all = s[4]                   ranks(0, s[4])
#:     109       s[5] / 99      s[5] / 99                    s[5] / 99 (format 3), s[5] / 100 (above)
#:     110       0              0                            1 if format >= 132 and s[6] >= 128, else 0
#:     111       1              1                            1
#:
#: where ranks(a, b) is 0 but for row 0, with bit c of a at column c, and row 7, with bit c of b at column c.
#: `flowload.kernels.chess.planes.expand_planes` does it on the CPU.
BITS = Lc0Layout(
    "bits",
    {
        "bits": ((104,), U64),
        "scalars": ((8,), U8),
        "probabilities": ((1858,), F32),
        "values": ((6, 3), F32),
    },
    encode_bits,
)
