"""A hint changes nothing but time; what can be tested is that it is asked of the processor, and harmless."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from flowload.kernels.prefetch import prefetch


def ask_and_add(numbers: NDArray[np.int64]) -> int:
    total = 0
    for i in range(len(numbers)):
        prefetch(numbers, 8 * (len(numbers) - 1 - i))
        total += numbers[i]
    return total


def test_it_compiles_to_the_processors_own_word() -> None:
    numbers = np.arange(100)
    numbers.flags.writeable = False
    compiled: Any = numba.njit()(ask_and_add)  # not a `kernel`: what comes from disk cannot be looked into
    assert compiled(numbers) == 4950
    code = "".join(compiled.inspect_llvm().values())
    assert "llvm.prefetch" in code
    assert (numbers == np.arange(100)).all()
