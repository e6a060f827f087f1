"""The slow twin of `flowload.kernels.rows.parts`: a number at a time."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from flowload.kernels.rows.parts import BFLOAT16, FLOAT16

DTYPES = {FLOAT16: np.dtype(np.float16), BFLOAT16: np.dtype(ml_dtypes.bfloat16)}


def part_of(row: Any, starts: list[int], run: int, kind: int) -> list[Any]:
    """The numbers of runs of a row, one behind the other, as what they become."""
    found = []
    for start in starts:
        for place in range(start, start + run):
            value = row[place]
            found.append(DTYPES[kind].type(value) if kind in DTYPES else value)
    return found


def lost(row: Any, starts: list[int], run: int, kind: int) -> int:
    """How many of them became infinite."""
    values = [row[place] for start in starts for place in range(start, start + run)]
    made = part_of(row, starts, run, kind)
    return sum(
        bool(np.isfinite(value)) and bool(np.isinf(float(half)))
        for value, half in zip(values, made, strict=True)
        if kind in DTYPES
    )
