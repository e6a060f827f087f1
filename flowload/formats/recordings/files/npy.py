"""Recordings in `.npy` files, memory-mapped: one file, or a folder with an array a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from numpy.lib import format as npy

from flowload.errors import DataError
from flowload.files.arrays import map_array
from flowload.files.guard import Guard
from flowload.formats.recordings.boxes import BoxSeries
from flowload.formats.recordings.series import Options
from flowload.kernels.rows.take import native

from .local import ends_with, local_file, local_folder, no_array, starts_with, which_array
from .mapped import MappedBoxes, check_numbers, mapped_series

__all__ = ["NpyKind"]

ENDING = ".npy"
ZARR = ("zarr.json", ".zarray", ".zgroup", ".zattrs")


class NpyKind:
    """See `Kind`: a `.npy` file, or a folder of them that is no zarr."""

    name: ClassVar[str] = "npy"

    def knows(self, location: str) -> bool:
        """See `Kind`."""
        path = local_file(location)
        if path is not None or ends_with(location, ENDING):
            return ends_with(location, ENDING) or (path is not None and starts_with(path, npy.MAGIC_PREFIX))
        folder = local_folder(location)
        if folder is None or any((folder / name).exists() for name in ZARR):
            return False
        try:
            return bool(files_in(folder)) and not any(folder.glob("*.zarr"))
        except OSError:
            return False

    def arrays(self, location: str, options: Options) -> Sequence[str]:  # noqa: ARG002 - local
        """See `Kind`."""
        path = Path(location)
        return list(files_in(path)) if path.is_dir() else [path.stem]

    def open(self, location: str, array: str | None, options: Options, *, estimate: bool) -> BoxSeries:  # noqa: ARG002 - it costs nothing to open
        """See `Kind`."""
        names = list(self.arrays(location, options))
        name = which_array(location, names) if array is None else array.removesuffix(ENDING)
        if name not in names:
            raise no_array(location, name, names)
        path = Path(location)
        return open_npy(files_in(path)[name] if path.is_dir() else path)


def files_in(folder: Path) -> dict[str, Path]:
    """The `.npy` files of a folder by name, but for hidden ones, such as the `._x.npy` of macOS."""
    return {path.stem: path for path in sorted(folder.glob(f"*{ENDING}")) if path.name[0] != "."}


def open_npy(path: Path) -> BoxSeries:
    """A file as a series. Raises DataError."""
    guard = Guard()
    try:
        array = map_array(path, guard)
        check_numbers(str(path), array.shape, array.dtype)
    except DataError:
        guard.close()
        raise
    boxes = MappedBoxes(array, guard, str(path))
    return mapped_series(str(path), boxes, native(array.dtype), "memory map", [path])
