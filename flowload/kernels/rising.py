"""Whether numbers rise."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ._jit import kernel

__all__ = ["first_fall"]


@kernel
def first_fall(numbers: NDArray[Any]) -> int:
    """The first i whose number is not above the one before it; -1: all rise."""
    for i in range(1, len(numbers)):
        if numbers[i] <= numbers[i - 1]:
            return i
    return -1
