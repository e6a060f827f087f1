"""Places along one axis of an array: which are wanted, and in which chunk each lies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError

__all__ = ["Along", "Span", "Wanted", "along_axis", "bounds", "length", "numbers_of", "places_of", "simple"]

Along: TypeAlias = slice | NDArray[np.int64]  #: places along one axis, from 0, in the order of the window


class Span(NamedTuple):
    """A slice as a value that can be hashed and pickled."""

    start: int | None
    stop: int | None
    step: int | None


Wanted: TypeAlias = int | tuple[int, ...] | Span | None  #: one, which loses its axis; some; a slice; all


def places_of(along: Along, chunk: int) -> Iterator[tuple[int, Along, Along]]:
    """Along one axis: each chunk that has some of it, which places in the chunk, and which of the window."""
    if isinstance(along, slice):
        first, step, count = along.start, along.step, length(along)
        last = first + (count - 1) * step
        for place in range(first // chunk, last // chunk + 1):
            begin = max(0, -(-(place * chunk - first) // step))
            end = min(count, -(-((place + 1) * chunk - first) // step))
            if begin < end:
                inside = first + begin * step - place * chunk
                yield place, slice(inside, inside + (end - begin - 1) * step + 1, step), slice(begin, end, 1)
        return
    chunks = along // chunk
    for place in np.unique(chunks).tolist():
        which = np.flatnonzero(chunks == place)
        yield place, simple(along[which] - place * chunk), simple(which)


def simple(numbers: NDArray[np.int64]) -> Along:
    """A slice where these numbers rise by equal steps; else they."""
    step = int(numbers[1] - numbers[0]) if len(numbers) > 1 else 1
    if step >= 1 and (np.diff(numbers) == step).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1, step)
    return np.ascontiguousarray(numbers, np.int64)


def length(along: Along) -> int:
    """How many places."""
    return len(range(along.start, along.stop, along.step)) if isinstance(along, slice) else len(along)


def bounds(along: Along) -> slice:
    """From the first to the last of them."""
    if isinstance(along, slice):
        return slice(along.start, along.start + (length(along) - 1) * along.step + 1)
    return slice(int(along.min()), int(along.max()) + 1)


def numbers_of(along: Along) -> NDArray[np.int64]:
    """The places themselves."""
    return np.arange(along.start, along.stop, along.step) if isinstance(along, slice) else along


def along_axis(wanted: Wanted, size: int, name: str, where: str) -> Along:
    """The places that are wanted of an axis. Raises DataError for those that it does not have."""
    if isinstance(wanted, Span):
        numbers = range(size)[slice(*wanted)]
        if not numbers:
            found = f"{slice(*wanted)} of {size:,} {name}"
            raise DataError(f"no {name}", where=where, found=found, wanted="at least one")
        return simple(np.array(numbers, np.int64))
    chosen = np.atleast_1d(np.array(wanted, np.int64))
    outside = chosen[(chosen < -size) | (chosen >= size)]
    if len(outside):
        found, had = f"{int(outside[0])}", f"0 to {size - 1}, or from -{size}"
        raise DataError(f"no such {name[:-1]}", where=where, found=found, wanted=had)
    return simple(np.where(chosen < 0, chosen + size, chosen))
