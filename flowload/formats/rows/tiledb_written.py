"""Which rows of a dense TileDB array were written: its fragments say, each with the box of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import Numbers
from flowload.formats.missing import Mask

from .columns import import_extra

if TYPE_CHECKING:
    import tiledb

__all__ = ["Box", "Unwritten", "boxes_of", "unwritten_rows"]

Box: TypeAlias = tuple[tuple[int, int], ...]  #: along each axis: from, and to without the last


class Unwritten:
    """Rows of which some cells were never written.

    Args:
        ranges: of such rows, rising and apart: (n, 2), from, and to without the last.
    """

    def __init__(self, ranges: NDArray[np.int64]) -> None:
        self.ranges = ranges

    def __len__(self) -> int:
        return int((self.ranges[:, 1] - self.ranges[:, 0]).sum())

    def absent(self, rows: Numbers) -> Mask:
        """Which of these coordinates were never written, as a mask."""
        place = np.searchsorted(self.ranges[:, 0], rows, side="right") - 1
        mask: Mask = (place >= 0) & (rows < self.ranges[place, 1])
        return mask


def boxes_of(array: tiledb.Array, attribute: str) -> list[Box]:
    """Where this attribute was written, counted from the first cell of the array.

    A fragment that is older than the attribute has cells of the others alone.
    """
    library = import_extra("tiledb", "tiledb")
    domain = array.schema.domain
    starts = [int(domain.dim(axis).domain[0]) for axis in range(domain.ndim)]
    having: dict[str, bool] = {}  # of schemas, by name
    found = []
    fragments = list(library.array_fragments(array.uri))
    single = len({fragment.array_schema_name for fragment in fragments}) == 1
    for fragment in fragments:
        name = fragment.array_schema_name
        if name not in having:
            having[name] = single or has_attribute(library, array.uri, fragment, attribute)
        if having[name]:
            pairs = zip(fragment.nonempty_domain, starts, strict=True)
            found.append(tuple((int(a) - start, int(b) - start + 1) for (a, b), start in pairs))
    return found


def has_attribute(library: Any, uri: str, fragment: Any, attribute: str) -> bool:
    """Whether the array had an attribute when a fragment was written."""
    with library.open(uri, timestamp=fragment.timestamp_range[1]) as array:
        schema = array.schema
        return any(schema.attr(number).name == attribute for number in range(schema.nattr))


def unwritten_rows(boxes: Sequence[Box], shape: tuple[int, ...]) -> Unwritten | None:
    """Rows of an array of which some cells lie in no box; None: all lie in one."""
    whole = tuple((0, size) for size in shape[1:])
    if not prod(shape[1:]):
        return None
    ranges = []
    for begin, end, inside in segments(boxes, shape[0]):
        if whole not in inside and not covered(list(dict.fromkeys(inside)), shape[1:]):
            ranges.append((begin, end))
    return Unwritten(np.array(joined(ranges), np.int64)) if ranges else None


def segments(boxes: Sequence[Box], size: int) -> list[tuple[int, int, list[Box]]]:
    """The first axis cut where a box begins or ends; and what the boxes there cover of the other axes."""
    borders = sorted({0, size, *(border for box in boxes for border in box[0] if 0 < border < size)})
    rising = sorted(boxes, key=lambda box: box[0])
    active: list[Box] = []
    found, next_ = [], 0
    for begin, end in pairwise(borders):
        while next_ < len(rising) and rising[next_][0][0] <= begin:
            active.append(rising[next_])
            next_ += 1
        active = [box for box in active if box[0][1] > begin]
        found.append((begin, end, [box[1:] for box in active]))
    return found


def covered(boxes: Sequence[Box], shape: tuple[int, ...]) -> bool:
    """Whether every cell of a shape lies in a box."""
    if not boxes or not shape:
        return bool(boxes)
    return all(covered(inside, shape[1:]) for _, _, inside in segments(boxes, shape[0]))


def joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Rising ranges, those that touch as one."""
    found: list[tuple[int, int]] = []
    for begin, end in ranges:
        if found and found[-1][1] == begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found
