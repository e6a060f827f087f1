"""LZF, the light compression that h5py brings to HDF5.

A byte below 32 begins a run of so many literals and one; else its upper three bits are a length less two (7:
a byte more of it follows), its lower five and the next byte a distance less one. Source: Lehmann, LibLZF.
"""

from __future__ import annotations

import numpy as np

from flowload.abc.operators import Bytes
from flowload.kernels._jit import kernel

__all__ = ["expand_lzf"]

LITERALS = 32


@kernel
def expand_lzf(packed: Bytes, out: Bytes) -> np.int64:
    """Write the bytes that were packed to `out`; how many, or -1 where they do not fit or are damaged."""
    place, end = np.int64(0), np.int64(0)
    size, room = len(packed), len(out)
    while place < size:
        control = np.int64(packed[place])
        place += 1
        if control < LITERALS:
            count = control + 1
            if place + count > size or end + count > room:
                return np.int64(-1)
            for k in range(count):
                out[end + k] = packed[place + k]
            place += count
            end += count
            continue
        count = control >> 5
        if place + (1 if count < 7 else 2) > size:
            return np.int64(-1)
        if count == 7:
            count += np.int64(packed[place])
            place += 1
        source = end - ((control & 31) << 8) - np.int64(packed[place]) - 1
        place += 1
        count += 2
        if source < 0 or end + count > room:
            return np.int64(-1)
        for k in range(count):  # one by one: what is copied may be what was just written
            out[end + k] = out[source + k]
        end += count
    return end
