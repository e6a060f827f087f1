"""Rows of HDF5 datasets; see `hdf5_columns` for how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from flowload.abc.records import Fields, Missing
from flowload.files.guard import Guard
from flowload.files.objects.storable import Storable
from flowload.formats.hdf5.file import Hdf5File
from flowload.formats.missing import check_missing

from .columns import Choice, ColumnTable, check_path, column_table, pairs_of

__all__ = ["Hdf5Rows"]


@dataclass(frozen=True, init=False)
class Hdf5Rows(Storable):
    """Records of an HDF5 file: row i of each dataset belongs to sample i. Needs `flowload[hdf5]`.

    Datasets that are contiguous (h5py's default), or in plain chunks, are memory-mapped. Of compressed ones
    each chunk is expanded once a batch, so chunks of few rows are best for random order. A few rows of each
    are read by h5py, too, when it is opened; where they differ h5py reads all of it, and a warning says so.

    What lacks data: chunks that were never written, and elements of a virtual dataset whose source is gone.
    What HDF5 allocated without writing to it cannot be told from data.

    Args:
        path: the file.
        datasets: their names (`("images", "labels")`), or by key of the batch (`{"x": "train/images"}`);
            None: all datasets of the root group.
        missing: what a row does that lacks data: "fill" gives the fill value, and counts the row; "raise" is
            an error; "skip" drops the row, and counts it.

    Examples:
        >>> import h5py
        >>> from flowload.formats.rows import Hdf5Rows
        >>> with h5py.File("a.h5", "w") as file:
        ...     file["images"], file["labels"] = np.zeros((10, 4, 4)), np.arange(10)
        >>> with (fl.rows(Hdf5Rows("a.h5", ("images", "labels"))) >> fl.batch(5)).iterate() as batches:
        ...     print(next(batches)["images"].shape)
        (5, 4, 4)
    """

    path: str
    datasets: Choice | None = None
    missing: Missing = "fill"

    name: ClassVar[str] = "hdf5"
    layouts: ClassVar[Sequence[str]] = ColumnTable.layouts

    def __init__(self, path: Any, datasets: Any = None, missing: Missing = "fill") -> None:
        object.__setattr__(self, "path", check_path(path, "Hdf5Rows"))
        object.__setattr__(self, "datasets", pairs_of(datasets, "Hdf5Rows: datasets"))
        object.__setattr__(self, "missing", check_missing(missing, "Hdf5Rows"))

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - the file says
        """None: known only when the file is open."""
        return {}

    def open(self) -> ColumnTable:
        """Open the file. Raises DataError and MissingExtra."""
        return self.opened_here(Hdf5Rows.open_files)

    def open_files(self) -> ColumnTable:
        """The same where all of it lies on this machine."""
        guard = Guard()
        file = Hdf5File(self.path, guard)
        try:
            columns = {key: file.column(name) for key, name in self.datasets or file.all()}
        except BaseException:
            file.close()
            guard.close()
            raise
        return column_table(columns, file.close, self.missing, guard)
