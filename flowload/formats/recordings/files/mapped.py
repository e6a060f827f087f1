"""Arrays that are mapped to memory, as series: any element can be read by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import ClosedRun, DataError
from flowload.files.guard import Guard
from flowload.formats.recordings.boxes import Box, BoxSeries

__all__ = ["MappedBoxes", "check_numbers", "mapped_series"]

Array = NDArray[Any]


class MappedBoxes:
    """Reads boxes of a mapped array, until it is closed.

    Args:
        array: time first.
        guard: of its file; is closed with it.
        location: for messages.
        made: makes of the numbers of a box what windows have; None: they are as they are.
    """

    def __init__(
        self, array: Array, guard: Guard, location: str, made: Callable[[Array, Box], Array] | None = None
    ) -> None:
        self.array: Array | None = array
        self.guard, self.location, self.made = guard, location, made

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what can be read."""
        return () if self.array is None else self.array.shape

    def some(self, array: Array, box: Box) -> Array:
        """The numbers of a box."""
        found: Array = array[box]
        return found

    def read(self, box: Box, out: Array) -> None:
        """Write a box. Raises DataError where the file is not what it was."""
        if self.array is None:  # nothing is mapped any more
            raise ClosedRun(f"{self.location}: read after it was closed")
        with self.guard:
            found = self.some(self.array, box)
            out[...] = found if self.made is None else self.made(found, box)

    def close(self) -> None:
        """Let go of the map."""
        self.array = None
        self.guard.close()


def mapped_series(
    location: str, boxes: MappedBoxes, dtype: np.dtype[Any], route: str, files: Sequence[Path]
) -> BoxSeries:
    """A mapped array as a series; `dtype` is that of windows."""
    shape = boxes.shape
    return BoxSeries(
        location=location,
        shape=shape,
        dtype=dtype,
        chunks=(1,) * len(shape),
        route=route,
        read_box=boxes.read,
        files=files,
        closing=boxes.close,
    )


def check_numbers(where: str, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Raise DataError for what is no array of numbers over time."""
    if dtype.kind not in "biuf" or not shape or 0 in shape:
        found, wanted = f"{dtype}{list(shape)}", "numbers [T, ...], time first"
        raise DataError("array of another kind", where=where, found=found, wanted=wanted)
