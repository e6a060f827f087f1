"""Rows of `.npy` files, memory-mapped: one file a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.errors import GraphError, NoDataError
from flowload.files.arrays import map_array
from flowload.files.guard import Guard
from flowload.kernels.take import native, take
from flowload.protocols import Call
from flowload.records import Fields, Numbers

from .columns import Choice, ColumnTable, pairs_of

__all__ = ["MappedColumn", "NpyRows"]


@dataclass(frozen=True, init=False)
class NpyRows:
    """Records of `.npy` files: row i of each file belongs to sample i.

    Args:
        paths: a folder, of which every `.npy` file is a column named like the file; or one file; or several;
            or files by key of the batch: `{"x": "images.npy", "y": "labels.npy"}`.
    """

    paths: Choice  #: key and path

    name: ClassVar[str] = "npy"
    layouts: ClassVar[Sequence[str]] = ColumnTable.layouts

    def __init__(self, paths: Any) -> None:
        pairs = pairs_of(paths, "NpyRows: paths")
        if pairs is None:
            raise GraphError("NpyRows: paths are None; wanted a folder, or .npy files")
        if not isinstance(paths, Mapping):
            pairs = tuple((Path(path).stem, path) for _, path in pairs)
        object.__setattr__(self, "paths", pairs_of(pairs, "NpyRows: paths"))

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - the files say
        """Not known before the files are open."""
        return {}

    def open(self) -> ColumnTable:
        """Map the files. Raises DataError."""
        guard = Guard()
        columns = {key: MappedColumn(str(path), map_array(path, guard)) for key, path in self.files()}
        return ColumnTable(columns, guard=guard)

    def files(self) -> list[tuple[str, Path]]:
        """Files by key. Raises NoDataError for a folder without any."""
        paths = [(key, Path(path)) for key, path in self.paths]
        if len(paths) > 1 or not paths[0][1].is_dir():
            return paths
        folder = paths[0][1]
        found = [(path.stem, path) for path in sorted(folder.glob("*.npy"))]
        if not found:
            raise NoDataError("no .npy file", where=str(folder), found="none", wanted="at least one")
        return found


class MappedColumn:
    """An array that memory shows."""

    def __init__(self, where: str, array: NDArray[Any]) -> None:
        self.where = where
        self.array = array
        self.shape = array.shape
        self.dtype = native(array.dtype)

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:  # noqa: ARG002 - nothing to ask
        """Copy the rows."""
        take(self.array, rows, out)

    def close(self) -> None:
        """Let go of the map."""
        self.array = np.empty(0, self.dtype)
