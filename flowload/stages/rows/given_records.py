"""What `fl.rows` is given, as records: arrays of all kinds, tables, and arrays on disk."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flowload.abc.adapted import AdaptedRecords
from flowload.abc.records import LayoutRecords
from flowload.abc.simple import Records as OwnRecords
from flowload.abc.simple import Table
from flowload.errors import DataError, GraphError
from flowload.stages.user.samples import named, stack

from .arrays import Arrays, Count
from .dataset import Dataset, is_dataset
from .given_arrays import as_array, library

__all__ = ["as_records"]

ZARR, HDF5 = "flowload.formats.rows.zarr", "flowload.formats.rows.hdf5"  #: by name: strangers to stages
PARQUET = "flowload.formats.rows.parquet"
READERS = {
    ".npy": "NpyRows",
    ".h5": "Hdf5Rows",
    ".hdf5": "Hdf5Rows",
    ".zarr": "ZarrRows",
    ".lmdb": "LmdbRows",
}
#: Whose objects are no records, though they have methods of the same names.
LIBRARIES = {"h5py", "jax", "jaxlib", "numpy", "pandas", "pyarrow", "tensorflow", "torch", "zarr"}
ALONE = "x"  #: the key of an array that is given without one


def as_records(given: Any, collate: Any = None) -> LayoutRecords:
    """The records that a user means. Raises GraphError that says what to give instead."""
    if collate is not None:
        return Dataset(samples_of(given), collate)
    if isinstance(given, LayoutRecords) or is_own(given):
        return given if isinstance(given, LayoutRecords) else AdaptedRecords(given)
    if isinstance(given, bool | int | np.integer):
        return Count(given if isinstance(given, bool) else int(given))
    if isinstance(given, str | Path):
        return of_path(str(given))
    if library(given) == "datasets" or (is_dataset(given) and not has_arrays(given)):
        return Dataset(given)
    return of_columns(given)


def of_columns(given: Any) -> LayoutRecords:
    """Arrays, in memory or on disk."""
    columns = columns_of(given)
    on_disk = {library(column) for column in columns.values()} & {"zarr", "h5py"}
    if len(on_disk) == 1:
        (kind,) = on_disk
        if all(library(column) == kind for column in columns.values()):
            return of_zarr(columns) if kind == "zarr" else of_hdf5(columns)
    return Arrays(columns)


def is_own(given: Any) -> bool:
    """Whether a user wrote `abc.Records` or a table; tensors have a `gather`, too, and files an `open`."""
    if library(given) in LIBRARIES or isinstance(given, str | Path) or hasattr(given, "read"):
        return False
    return isinstance(given, Table | OwnRecords)


def columns_of(given: Any) -> Mapping[str, Any]:
    """Arrays by key."""
    if library(given) == "pyarrow" and type(given).__name__ == "ParquetFile":
        raise GraphError("rows: a ParquetFile is open already; give its path: each run opens it for itself")
    if library(given) == "zarr" and hasattr(given, "arrays"):
        given = dict(given.arrays())
    if isinstance(given, Mapping):
        return group_of(given)
    if library(given) == "h5py":
        return {ALONE: given}
    if isinstance(given, tuple):
        return named(given)
    if isinstance(given, list):
        return of_samples(given)
    if (names := column_names(given)) is not None:
        return {str(name): given[name] for name in names}
    if hasattr(given, "__array__") or hasattr(given, "shape") or library(given) in ("pandas", "pyarrow"):
        check_axis(given)
        return {ALONE: given}
    raise no_records(given)


def column_names(given: Any) -> list[Any] | None:
    """The columns of a table of pandas or pyarrow; None for anything else."""
    names = getattr(given, "column_names", None) if library(given) == "pyarrow" else None
    if library(given) == "pandas" and getattr(given, "ndim", 0) == 2:
        names = given.columns
    if names is not None and len({str(name) for name in names}) < len(names):
        raise GraphError(f"rows: two columns have one name: {', '.join(map(str, names))}")
    return None if names is None else list(names)


def check_axis(array: Any) -> None:
    """Raise GraphError for a group of arrays, which has no shape, and for a single value."""
    shape = getattr(array, "shape", None)
    if shape is None and not hasattr(array, "__len__"):
        raise no_records(array)
    if shape is not None and len(shape) == 0:
        raise GraphError(
            f"rows: a single value of {type(array).__name__}; wanted an array with one row a sample"
        )


def group_of(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A dict of arrays; a group of arrays on disk is one, too."""
    for key in given:
        if not isinstance(key, str):
            raise GraphError(f"rows: a key is {key!r}; wanted text, for the arrays of a batch")
    return {key: given[key] for key in given}


def of_samples(given: list[Any]) -> Mapping[str, Any]:
    """A list is one sample an entry: dicts and tuples become columns, anything else is an array already."""
    if given and isinstance(given[0], dict | tuple):
        try:
            return stack(given, "rows")
        except DataError as error:
            raise GraphError(str(error)) from error
    return {ALONE: as_array(given, f"rows: {ALONE!r}")}


def of_zarr(columns: Mapping[str, Any]) -> LayoutRecords:
    """Records that read zarr arrays where they lie."""
    places: dict[str, tuple[str, str]] = {}
    for key, array in columns.items():
        store, path = getattr(array, "store", None), str(getattr(array, "path", ""))
        root = getattr(store, "root", None) or getattr(store, "path", None)
        if root is None or not Path(str(root)).exists():
            raise GraphError(
                f"rows: {key!r} is a zarr array in {type(store).__name__}, which is no folder or zip; x[:]"
                " takes it into memory, ZarrRows(url) reads it at a URL"
            )
        places[key] = str(root), path.strip("/")
    reader = importlib.import_module(ZARR).ZarrRows
    roots = {root for root, _ in places.values()}
    if len(roots) == 1 and all(path for _, path in places.values()):
        made: LayoutRecords = reader(*roots, {key: path for key, (_, path) in places.items()})
        return made
    # Arrays by themselves, or of several folders and zips: named from the folder around all of them.
    folders = {key: Path(root, path).absolute() for key, (root, path) in places.items()}
    around = Path(os.path.commonpath([folder.parent for folder in folders.values()]))
    apart: LayoutRecords = reader(
        around, {key: str(folder.relative_to(around)) for key, folder in folders.items()}
    )
    return apart


def of_hdf5(columns: Mapping[str, Any]) -> LayoutRecords:
    """Records that read HDF5 datasets where they lie; each run opens the file for itself."""
    files: set[str] = set()
    for key, dataset in columns.items():
        if hasattr(dataset, "keys"):
            raise GraphError(f"rows: {key!r} is a group of HDF5; wanted datasets, by key of the batch")
        try:
            name, mode = dataset.file.filename, dataset.file.mode
        except AttributeError as error:
            kind = type(dataset).__name__
            raise GraphError(
                f"rows: {key!r} is {kind} of h5py, which is no dataset; give x[:], or the dataset itself"
            ) from error
        except (ValueError, RuntimeError) as error:
            raise GraphError(
                f"rows: {key!r} is an h5py dataset of a file that was closed; give Hdf5Rows(path)"
            ) from error
        if not Path(name).is_file():
            raise GraphError(
                f"rows: {key!r} is an h5py dataset of {name!r}, which is no file on disk; give x[:]"
            )
        if mode != "r":
            raise GraphError(
                f"rows: {key!r} is an h5py dataset of {name}, which is open for writing, and a run opens it"
                " for itself; close it and give Hdf5Rows(path), or open it with mode 'r'"
            )
        files.add(name)
    if len(files) > 1:
        raise GraphError(
            f"rows: the datasets are of {len(files)} files, {', '.join(sorted(files))}; wanted one"
        )
    (name,) = files
    datasets = {key: dataset.name for key, dataset in columns.items()}
    made: LayoutRecords = importlib.import_module(HDF5).Hdf5Rows(name, datasets)
    return made


def has_arrays(given: Any) -> bool:
    """Whether its columns can be taken as they are: arrays, tables, and dicts, tuples and lists of them."""
    if isinstance(given, Mapping | tuple | list | str | bytes | set | frozenset):
        return True
    known = library(given) in ("zarr", "h5py", "pandas", "pyarrow")
    return known or hasattr(given, "__array__") or hasattr(given, "shape")


def samples_of(given: Any) -> Any:
    """What gives samples by number for a `collate=`: it, or the rows of Parquet files."""
    if isinstance(given, str | Path):
        given = of_path(str(given))
    samples = getattr(given, "samples_by_number", None)
    if samples is not None:
        return samples()
    if isinstance(given, LayoutRecords):
        raise GraphError(f"rows: {given!r} has arrays of its own, and needs no collate=")
    return given


def of_path(path: str) -> LayoutRecords:
    """Parquet files. Raises GraphError for others, whose format says which rows they have."""
    if Path(path).suffix.lower() in (".parquet", ".pq"):
        made: LayoutRecords = importlib.import_module(PARQUET).ParquetRows(path)
        return made
    raise other_path(path)


def other_path(path: str) -> GraphError:
    """For a file that is not read by its name's ending."""
    reader = READERS.get(Path(path.rstrip("/")).suffix.lower())
    if reader is None:
        return GraphError(f"rows: {path!r} is a path; wanted records of it, such as PackedMolecules(path)")
    return GraphError(f"rows: {path!r} is a path; wanted {reader}({path!r}), from flowload.formats")


def no_records(given: Any) -> GraphError:
    """The error for what is no records, arrays, path or dataset."""
    kind = type(given).__name__
    return GraphError(
        f"rows: {kind} is not records; wanted an object such as PackedMolecules(path), a dict of arrays, an"
        " array, or a number of rows"
    )
