"""Ranges of rows of two columns of a recording in zarr: for scripts that have `create_zarr_loader`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from flowload.cpus import usable_cpus
from flowload.errors import DataError
from flowload.formats.recordings.zarr_kind import open_series
from flowload.formats.zarr.array import ZarrArray

__all__ = ["create_zarr_loader"]

log = logging.getLogger("flowload")

AT_ONCE = 4  #: bands of chunks that are read at once, at most: each is held whole, with all of its columns

Pair = tuple[NDArray[np.generic], NDArray[np.generic]]


class TwoColumns:
    """See `create_zarr_loader`."""

    def __init__(self, path: str, column: int, stimulus: int, dims: int) -> None:
        self.array = open_series(ZarrArray(path), estimate=False)
        self.shape = self.array.grid.shape
        found = f"{self.array.dtype}{list(self.shape)}"
        if len(self.shape) != 3:
            raise DataError("no array of columns", where=self.array.location, found=found, wanted="(T, N, C)")
        for name, value, end in (
            ("column_idx", column, self.shape[2]),
            ("stim_column_idx", stimulus, self.shape[2]),
        ):
            if not 0 <= value < end:
                raise ValueError(
                    f"{name} is {value}; wanted 0 to {end - 1}: {self.array.location} is {found}"
                )
        if not 0 < dims <= self.shape[1]:
            raise ValueError(
                f"num_stim_dims is {dims}; wanted 1 to {self.shape[1]}: {self.array.location} is {found}"
            )
        self.column, self.stimulus, self.dims = column, stimulus, dims
        self.told = False

    def __call__(self, start: int, end: int) -> Pair:
        """Data (rows, N) and stimulus (rows, dims). Raises ValueError and DataError."""
        if not 0 <= start < end <= self.shape[0]:
            raise ValueError(
                f"rows {start:,} to {end:,}; wanted some of the {self.shape[0]:,} of {self.array.location}"
            )
        data = np.empty((end - start, self.shape[1]), self.array.dtype)
        stimulus = np.empty((end - start, self.dims), self.array.dtype)
        long = self.array.grid.chunks[0]
        cuts = [start, *range(start - start % long + long, end, long), end]

        def read(begin: int, stop: int) -> None:
            rows = np.empty((stop - begin, *self.shape[1:]), self.array.dtype)
            for piece in self.array.pieces(begin, stop):
                self.array.read(piece, begin, rows, lambda size: np.empty(size, np.uint8))
            data[begin - start : stop - start] = rows[:, :, self.column]
            stimulus[begin - start : stop - start] = rows[:, : self.dims, self.stimulus]

        with ThreadPoolExecutor(min(AT_ONCE, usable_cpus()), "zarr-columns") as threads:
            list(threads.map(read, cuts[:-1], cuts[1:]))
        self.tell(start, end)
        return data, stimulus

    def tell(self, start: int, end: int) -> None:
        """Say, once, that rows hold the fill value because no chunk was stored."""
        if not self.told and self.array.gaps.mask(np.arange(start, end)) is not None:
            self.told = True
            log.warning("%s; rows hold the fill value", self.array.gaps.lack())


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
