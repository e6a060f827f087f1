"""Rows of `.npy` files, memory-mapped: one file a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from flowload.abc.operators import Call
from flowload.abc.records import Fields, Missing, Numbers
from flowload.errors import ClosedRun, DataError, GraphError, NoDataError
from flowload.files.arrays import map_array
from flowload.files.foreign import foreign
from flowload.files.guard import Guard
from flowload.files.npy_header import evaluated
from flowload.files.objects.storable import Storable
from flowload.formats.compared import difference
from flowload.formats.missing import check_missing
from flowload.kernels.rows.take import native, take

from .columns import Choice, ColumnTable, pairs_of

__all__ = ["MappedColumn", "NpyRows"]


@dataclass(frozen=True, init=False)
class NpyRows(Storable):
    """Records of `.npy` files: row i of each file belongs to sample i.

    Args:
        paths: a folder, of which every `.npy` file that is not hidden is a column named like the file; or one
            file; or several; or files by key of the batch: `{"x": "images.npy", "y": "labels.npy"}`.
        missing: as for other records; it changes nothing, for of a `.npy` file nothing can be missing. One
            that is shorter than its header says is an error, and what a sparse file has no blocks for is
            zeros by the rules of the file system, which nobody can tell from zeros that were written.

    Examples:
        >>> from flowload.formats.rows import NpyRows
        >>> np.save("x.npy", np.eye(3)), np.save("y.npy", np.arange(3))
        (None, None)
        >>> with (fl.rows(NpyRows(["x.npy", "y.npy"])) >> fl.batch(3)).iterate() as batches:
        ...     print(next(batches)["y"])
        [0 1 2]
    """

    paths: Choice  #: key and path
    missing: Missing = "fill"

    drops: ClassVar[bool] = False  #: see `flowload.abc.records.may_drop`

    name: ClassVar[str] = "npy"
    layouts: ClassVar[Sequence[str]] = ColumnTable.layouts

    def __init__(self, paths: Any, missing: Missing = "fill") -> None:
        pairs = pairs_of(paths, "NpyRows: paths")
        if pairs is None:
            raise GraphError("NpyRows: paths are None; wanted a folder, or .npy files")
        if not isinstance(paths, Mapping):
            pairs = tuple((Path(path).stem, path) for _, path in pairs)
        object.__setattr__(self, "paths", pairs_of(pairs, "NpyRows: paths"))
        object.__setattr__(self, "missing", check_missing(missing, "NpyRows"))

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - the files say
        """None: known only when the files are open."""
        return {}

    def open(self) -> ColumnTable:
        """Map the files. Raises DataError."""
        return self.opened_here(NpyRows.open_files)

    def open_files(self) -> ColumnTable:
        """The same where all of it lies on this machine."""
        guard = Guard()
        try:
            columns = {key: MappedColumn(str(path), map_array(path, guard)) for key, path in self.files()}
            with guard:
                for column in columns.values():
                    check_with_numpy(column)
        except BaseException:
            guard.close()
            raise
        return ColumnTable(columns, guard=guard)

    def files(self) -> list[tuple[str, Path]]:
        """Files by key. Raises NoDataError for a folder without any."""
        paths = [(key, Path(path)) for key, path in self.paths]
        if len(paths) > 1 or not paths[0][1].is_dir():
            return paths
        folder = paths[0][1]
        # Hidden are, above all, the `._x.npy` that macOS leaves beside files on disks of other systems.
        found = [(path.stem, path) for path in sorted(folder.glob("*.npy")) if path.name[0] != "."]
        if not found:
            raise NoDataError("no .npy file", where=str(folder), found="none", wanted="at least one")
        return found


def check_with_numpy(column: MappedColumn) -> None:
    """Raise DataError where numpy reads a few rows otherwise."""
    if not column.array.ndim or not column.array.size:
        return
    with foreign("bad .npy file", column.where):
        library = evaluated(lambda: npy.open_memmap(column.where, mode="r"))
    watching = Guard()
    watching.watch_arrays([(column.where, library)])
    try:
        with watching:
            differs = difference(column, lambda begin, end: library[begin:end], chunk=1)
    finally:
        watching.close()
    if differs is not None:
        raise DataError("read otherwise by numpy", where=column.where, found=differs)


class MappedColumn:
    """A column that is a memory-mapped array."""

    def __init__(self, where: str, array: NDArray[Any]) -> None:
        self.where = where
        self.array = array
        self.shape = array.shape
        self.dtype = native(array.dtype)

    def read(self, rows: Numbers, out: NDArray[Any], call: Call) -> None:  # noqa: ARG002 - nothing to ask
        """Copy these rows into `out`."""
        if len(self.array) != self.shape[0]:  # a kernel would read where nothing is mapped any more
            raise ClosedRun(f"{self.where}: read after it was closed")
        take(self.array, rows, out)

    def close(self) -> None:
        """Let go of the map."""
        self.array = np.empty(0, self.dtype)
