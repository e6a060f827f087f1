"""What HDF5's filters did to a chunk, undone: shuffle, gzip (deflate) and LZF, in any order and number.

Everything else that a pipeline of filters may hold (checksums, szip, scale-offset, n-bit, plug-ins) is left
to HDF5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from zlib_ng import zlib_ng

from flowload.abc.operators import Bytes
from flowload.kernels.rows.lzf import expand_lzf

__all__ = ["DEFLATE", "LZF", "SHUFFLE", "Filter", "expanded", "filters_of", "undone"]

ZLIB_ERROR = cast("type[Exception]", zlib_ng.error)
DEFLATE, SHUFFLE, LZF = 1, 2, 32000  #: as HDF5 registers them
SLACK = 4096  #: bytes that a filter may add to data that it cannot make smaller, beside their double


class Filter(NamedTuple):
    """One step of the pipeline, as a dataset's creation properties name it."""

    code: int
    width: int  #: of a number, in bytes, which shuffle takes apart; 0 for others


def filters_of(dataset: Any) -> list[Filter] | None:
    """What chunks went through, in order; None: something that only HDF5 can undo."""
    plist = dataset.id.get_create_plist()
    found = []
    for number in range(plist.get_nfilters()):
        code, _, values, _ = plist.get_filter(number)
        if code not in (DEFLATE, SHUFFLE, LZF) or (code == SHUFFLE and (not values or not values[0])):
            return None
        found.append(Filter(code, values[0] if code == SHUFFLE else 0))
    return found


def expanded(data: Bytes, filters: Sequence[Filter], skipped: int, wanted: int) -> Bytes:
    """The bytes of a chunk before the filters.

    Args:
        data: as they lie in the file.
        filters: in the order in which they were applied.
        skipped: bit k: filter k left this chunk alone.
        wanted: bytes that should come, and not more. What comes between two filters may be longer, a little.

    Raises ValueError for data that are damaged.
    """
    steps = [step for place, step in enumerate(filters) if not skipped >> place & 1]
    for left, step in reversed(list(enumerate(steps))):
        data = undone(step.code, data, 2 * wanted + SLACK if left else wanted, step.width)
    return data


def undone(code: int, data: Bytes, limit: int, width: int) -> Bytes:
    """What a filter was given. ValueError for what is damaged, or would take more than `limit` bytes."""
    if code == DEFLATE:
        return inflated(data, limit)
    if code == LZF:
        out = np.empty(limit, np.uint8)
        size = expand_lzf(data, out)
        if size < 0:
            raise ValueError("LZF data that are damaged")
        return out[:size]
    # The first bytes of all numbers, then all second bytes ...; what is left over stays where it is.
    whole = len(data) // width * width
    out = np.empty(len(data), np.uint8)
    out[:whole].reshape(-1, width)[:] = data[:whole].reshape(width, -1).T
    out[whole:] = data[whole:]
    return out


def inflated(data: Bytes, limit: int) -> Bytes:
    """A zlib stream; it is not inflated further than one byte too many."""
    stream = zlib_ng.decompressobj()
    try:
        made = stream.decompress(data, limit + 1)
    except ZLIB_ERROR as error:
        raise ValueError(str(error)) from error
    if len(made) > limit:
        raise ValueError(f"more than {limit:,} bytes")
    if not stream.eof:
        raise ValueError(f"{len(made):,} bytes, of data that end too early")
    return np.frombuffer(made, np.uint8)
