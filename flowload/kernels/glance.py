"""Reading small files one right after the other, without Python's lock: what threads do at one moment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes

from ._jit import kernel
from .native import call_one, call_pread

__all__ = ["glance"]


@kernel
def glance(
    usleep: int, pread: int, micros: int, fds: NDArray[np.int64], text: Bytes, sizes: NDArray[np.int64]
) -> None:
    """Wait a little, then read the beginning of every file.

    Whoever waited for Python's lock has it, or sleeps again, by then: those who were woken by our letting go
    of it would look as if they ran.

    Args:
        usleep, pread: addresses of the system's functions.
        micros: to wait, in microseconds.
        fds: of the files.
        text: (n, width) uint8, written to.
        sizes: (n,), written to: bytes that were read; below 1: none.
    """
    call_one(usleep, micros)
    for i in range(len(fds)):
        sizes[i] = call_pread(pread, fds[i], text[i].ctypes.data, text.shape[1], 0)
