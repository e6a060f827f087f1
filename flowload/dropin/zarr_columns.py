"""Ranges of rows of two columns of a recording in zarr: for scripts that have `create_zarr_loader`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.cpus import usable_cpus
from flowload.errors import DataError
from flowload.formats.recordings.recording import recording

__all__ = ["create_zarr_loader"]

IO_WORKERS = 4  #: pieces that are read at once, at least

Pair = tuple[NDArray[np.generic], NDArray[np.generic]]


class TwoColumns:
    """See `create_zarr_loader`."""

    def __init__(self, path: str, column: int, stimulus: int, dims: int) -> None:
        table = recording(path, 1).sketch()
        first = table.parts[0].first
        self.shape, self.location = first.shape, first.location
        found = f"{first.dtype}{list(self.shape)}"
        table.close()
        if len(self.shape) != 3:
            raise DataError("no array of columns", where=self.location, found=found, wanted="(T, N, C)")
        given = {
            "column_idx": (column, 0, 2),
            "stim_column_idx": (stimulus, 0, 2),
            "num_stim_dims": (dims, 1, 1),
        }
        for name, (value, least, axis) in given.items():
            most = self.shape[axis] - (axis == 2)
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}; wanted {least} to {most}: {self.location} is {found}")
        select: dict[str, Any] = {
            "data": {"columns": column},
            "stimulus": {"columns": stimulus, "neurons": slice(dims)},
        }
        self.ranges = recording(path, 1, select=select).ranges(max(IO_WORKERS, usable_cpus()))

    def __call__(self, start: int, end: int) -> Pair:
        """Data (rows, N) and stimulus (rows, dims). Raises ValueError and DataError."""
        if not 0 <= start < end <= self.shape[0]:
            raise ValueError(
                f"rows {start:,} to {end:,}; wanted some of the {self.shape[0]:,} of {self.location}"
            )
        found = self.ranges.read(start, end)
        return found["data"], found["stimulus"]


def create_zarr_loader(
    data_path: str | os.PathLike[str], column_idx: int, stim_column_idx: int, num_stim_dims: int
) -> Callable[[int, int], Pair]:
    """Make the `load_fn(start, end)` of a `RandomChunkLoader` that reads two columns of a (T, N, C) array.

    `load_fn` gives data `[start:end, :, column_idx]` and stimulus `[start:end, :num_stim_dims,
    stim_column_idx]`, in the array's dtype; every chunk is read and decoded once for both. Rows whose chunk
    was never stored hold the fill value, which is told once.

    Args:
        data_path: a folder with `timeseries.zarr`, or the array: a folder, zip or URL, of zarr 2 or 3.
        column_idx: of the data.
        stim_column_idx: of the stimulus.
        num_stim_dims: how much of axis 1 the stimulus has.

    Raises NoDataError and DataError for what is no such array, ValueError for columns that it lacks.

    Examples:
        >>> from flowload.sample import sample_path
        >>> load_fn = create_zarr_loader(sample_path("neural"), 2, stim_column_idx=1, num_stim_dims=4)
        >>> data, stimulus = load_fn(0, 100)
    """
    return TwoColumns(os.fspath(data_path), column_idx, stim_column_idx, num_stim_dims)
