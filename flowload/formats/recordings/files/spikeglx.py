"""SpikeGLX's `.bin` with its `.meta`: Neuropixels and what is recorded beside them, memory-mapped.

The file is int16 `(T, channels)`. An array `raw` has these numbers, which is what windows have by default;
`microvolts` has them times each channel's microvolts, as float32. Digital channels are numbers in both.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError
from flowload.files.arrays import Dump, map_array
from flowload.files.guard import Guard
from flowload.files.regular import opened
from flowload.formats.recordings.boxes import Box, BoxSeries
from flowload.formats.recordings.series import Options

from .local import ends_with, no_array
from .mapped import MappedBoxes, mapped_series
from .spikeglx_meta import Meta, read_meta

__all__ = ["SpikeGlxKind"]

ENDING = ".bin"
RAW, MICROVOLTS = "raw", "microvolts"
SAMPLE = np.dtype("<i2")


class SpikeGlxKind:
    """See `Kind`: a `.bin`, such as `run_g0_t0.imec0.ap.bin`."""

    name: ClassVar[str] = "SpikeGLX"

    def knows(self, location: str) -> bool:
        """See `Kind`."""
        return ends_with(location, ENDING)

    def arrays(self, location: str, options: Options) -> Sequence[str]:  # noqa: ARG002 - the same for all
        """See `Kind`."""
        return [RAW, MICROVOLTS]

    def open(self, location: str, array: str | None, options: Options, *, estimate: bool) -> BoxSeries:  # noqa: ARG002 - it costs nothing to open
        """See `Kind`."""
        if array not in (None, RAW, MICROVOLTS):
            raise no_array(location, str(array), list(self.arrays(location, options)))
        path = Path(location)
        meta = read_meta(path.with_suffix(".meta"))
        guard = Guard()
        try:
            data = map_samples(path, meta, guard)
            made = Scaled(meta.microvolts()) if array == MICROVOLTS else None
        except DataError:
            guard.close()
            raise
        boxes = MappedBoxes(data, guard, location, made)
        dtype = np.dtype(np.int16 if made is None else np.float32)
        route = f"memory map, {meta.kind}, {meta.channels} channels at {meta.rate:,.6g} Hz"
        return mapped_series(location, boxes, dtype, route, [path, meta.path])


class Scaled:
    """Numbers times what a one is in each channel."""

    def __init__(self, factors: NDArray[np.float32]) -> None:
        self.factors = factors

    def __call__(self, found: NDArray[Any], box: Box) -> NDArray[Any]:
        """See `MappedBoxes`."""
        scaled: NDArray[Any] = np.multiply(found, self.factors[box[1]], dtype=np.float32)
        return scaled


def map_samples(path: Path, meta: Meta, guard: Guard) -> NDArray[np.int16]:
    """The samples of a file. Raises DataError where it has another size than its `.meta` says."""
    with opened(path) as fd:
        size = os.fstat(fd).st_size
    if size != meta.nbytes:
        found, wanted = f"{size:,} bytes", f"the {meta.nbytes:,} of fileSizeBytes in {meta.path.name}"
        raise DataError(
            "truncated" if size < meta.nbytes else "wrong size", where=str(path), found=found, wanted=wanted
        )
    if not size:
        raise DataError("no samples", where=str(path), found="0 bytes", wanted="at least one sample")
    return map_array(path, guard, dump=Dump(SAMPLE, (meta.channels,)))
