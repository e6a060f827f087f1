"""Rows, cut to batches, for tests of what is filled up again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["arrays", "cut"]


def cut(rows: Sequence[int], size: int, *, drop_last: bool = False) -> list[list[int]]:
    """The obvious way."""
    batches = [list(rows[first : first + size]) for first in range(0, len(rows), size)]
    return [batch for batch in batches if len(batch) == size or not drop_last]


def arrays(rows: int, width: int) -> dict[str, NDArray[Any]]:
    return {"x": np.full((rows, width), rows)}
