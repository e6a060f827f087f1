"""An HDF5 file that is open: its datasets, and the fastest way that each allows."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flowload.abc.operators import Bytes
from flowload.errors import DataError, NoDataError
from flowload.files.foreign import foreign
from flowload.files.guard import Guard
from flowload.files.regular import opened
from flowload.formats.compared import difference
from flowload.formats.rows.columns import Choice, Column, import_extra
from flowload.formats.rows.npy import MappedColumn

from .chunks import Gaps, find_gaps, list_chunks
from .columns import ChunksColumn, CodedColumn, DatasetColumn
from .filters import filters_of
from .virtual import VirtualGaps, virtual_gaps

if TYPE_CHECKING:
    import h5py

__all__ = ["Hdf5File", "open_file"]

log = logging.getLogger("flowload")

DIMENSION = b"This is a netCDF dimension but not a netCDF variable"

#: What h5py says of a file that ends too early.
TRUNCATED = re.compile(r"truncated file: eof = (\d+), .*stored_eof = (\d+)")

#: HDF5 from which on the places of chunks count the user block before the file (HDFGroup/hdf5#3003).
BLOCKS_COUNT = (1, 14, 4)


def open_file(path: str) -> h5py.File:
    """Open a file for reading. Raises DataError with the sizes of a truncated one, and NoDataError."""
    h5py = import_extra("h5py", "hdf5")
    with opened(path, "an HDF5 file"):
        pass  # a pipe would be waited for
    try:
        with foreign("no HDF5 file", path):
            return h5py.File(path, "r")
    except DataError as error:
        sizes = TRUNCATED.search(error.found)
        if sizes is not None:
            found, wanted = (f"{int(size):,} bytes" for size in sizes.groups())
            raise DataError("truncated", where=path, found=found, wanted=wanted) from error
        if "unable to lock file" in error.found:
            wanted = "a file that nobody has open for writing"
            raise DataError(
                "locked by another program", where=path, found=error.found, wanted=wanted
            ) from error
        if "already open for" in error.found:
            found = "a file that is still being written (SWMR, say), or whose writer did not close it"
            wanted = "one that is closed; h5clear -s mends one that has no writer any more"
            raise DataError("not closed", where=path, found=found, wanted=wanted) from error
        raise


class Hdf5File:
    """A file that is open, and its bytes.

    Args:
        path: of the file.
        guard: watches it, and the files that its datasets lie in.

    Raises DataError and MissingExtra.
    """

    def __init__(self, path: str, guard: Guard) -> None:
        self.path = path
        self.guard = guard
        self.file = open_file(path)
        self.virtual: list[VirtualGaps] = []
        try:
            self.memory: Bytes = guard.map(path)
        except DataError:
            self.file.close()
            raise

    # ---- what there is

    def all(self) -> Choice:
        """The datasets of the root group, but for those that netCDF keeps only as names of its dimensions.

        Raises NoDataError where there are none.
        """
        h5py = import_extra("h5py", "hdf5")
        found: list[tuple[str, str]] = []
        dead: list[str] = []
        with foreign("unreadable", self.path):
            for name in self.file:
                item = self.file.get(name)
                if item is None:
                    dead.append(name)
                elif isinstance(item, h5py.Dataset) and not is_dimension_alone(item):
                    found.append((text_of(name), name))
        if dead:
            told = ", ".join(self.target(name) for name in dead[:10]) + (" ..." if len(dead) > 10 else "")
            log.warning("%s: %d links lead nowhere, and are left out: %s", self.path, len(dead), told)
        if not found:
            raise NoDataError("no dataset", where=self.path, found=self.names(), wanted="at least one")
        return tuple(found)

    def names(self) -> str:
        """Everything in the file, for messages."""
        found: list[str] = []
        with foreign("unreadable", self.path):
            self.file.visit(lambda name: found.append(text_of(name)))
        return ", ".join(found[:20]) + (" ..." if len(found) > 20 else "") or "nothing"

    def target(self, name: str) -> str:
        """A link that leads nowhere, and where it would lead; the name alone where there is no link."""
        h5py = import_extra("h5py", "hdf5")
        try:
            with foreign("unreadable", self.path):
                link = self.file.get(name, getlink=True)
        except DataError:
            return name
        name = text_of(name)
        if isinstance(link, h5py.ExternalLink):
            return f"{name} -> {link.path} in {link.filename}"
        return f"{name} -> {link.path}" if isinstance(link, h5py.SoftLink) else name

    def dataset(self, where: str, name: str) -> h5py.Dataset:
        """A dataset by its name. Raises DataError."""
        h5py = import_extra("h5py", "hdf5")
        with foreign("unreadable", where):
            dataset = self.file.get(name)
        if dataset is None and (target := self.target(name)) != name:
            raise DataError("a link that leads nowhere", where=where, found=target, wanted="a dataset")
        if not isinstance(dataset, h5py.Dataset):
            raise DataError("no such dataset", where=where, found=self.names(), wanted=name)
        with foreign("array of another kind", where):
            shape, dtype = dataset.shape, dataset.dtype
        if not shape or dtype.hasobject:
            wanted = "numbers, one row a sample"
            raise DataError(
                "array of another kind", where=where, found=f"{dtype}{list(shape or ())}", wanted=wanted
            )
        return dataset

    # ---- how it is read

    def column(self, name: str) -> Column:
        """A dataset by its name, opened the fastest way that it allows. Raises DataError and NoDataError."""
        where = f"{self.path}: {name}"
        dataset = self.dataset(where, name)
        with foreign("unreadable", where):
            gaps = self.gaps(where, dataset)
            library = DatasetColumn(where, dataset, gaps)
            fast = self.own_bytes(where, dataset, gaps)
        if fast is None:
            return library
        differs = difference(
            fast, lambda begin, end: dataset[begin:end], chunk=library.chunk, also=doubtful_rows(fast)
        )
        if differs is None:
            return fast
        log.warning("%s: h5py reads all of it, slowly: what is read past it differs, %s", where, differs)
        fast.close()
        return library

    def gaps(self, where: str, dataset: h5py.Dataset) -> Gaps | None:
        """Which rows lack data; None: none do. Raises NoDataError where all do."""
        if not dataset.size:
            return None
        if dataset.is_virtual:
            gaps, files = virtual_gaps(where, dataset)
            for path in files:
                self.guard.watch(path)
            if gaps is not None:
                self.virtual.append(gaps)
            return gaps
        check_filters(where, dataset)
        for name, offset, size in dataset.external or ():
            self.check_external(where, name, offset, size)
        if not dataset.id.get_storage_size():
            raise NoDataError("never written", where=where, found="no data at all", wanted="some")
        return find_gaps(where, dataset)

    def check_external(self, where: str, name: str, offset: int, size: int) -> None:
        """Raise DataError where a file of raw data is not there, or ends too early: HDF5 would give zeros."""
        prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "").replace(
            "${ORIGIN}", str(Path(self.path).resolve().parent)
        )
        path = Path(prefix) / name
        with opened(path, f"the raw data of {where}") as fd:
            found = os.fstat(fd).st_size
        h5py = import_extra("h5py", "hdf5")
        if size != h5py.h5f.UNLIMITED and found < offset + size:
            wanted = f"{offset + size:,} bytes, for {where}"
            raise DataError("truncated", where=str(path), found=f"{found:,} bytes", wanted=wanted)
        self.guard.watch(path)

    def own_bytes(self, where: str, dataset: h5py.Dataset, gaps: Gaps | None) -> FastColumn | None:
        """A dataset read past h5py; None where its bytes are elsewhere, or need more than inflating."""
        h5py = import_extra("h5py", "hdf5")
        plain = h5py.h5t.py_create(dataset.dtype, logical=True).equal(dataset.id.get_type())
        elsewhere = dataset.external or dataset.is_virtual or dataset.file.filename != self.path
        if not plain or elsewhere or not dataset.size:
            return None
        if dataset.chunks is not None:
            return self.own_chunks(where, dataset, gaps)
        offset = dataset.id.get_offset()
        if offset is None:  # in the midst of the metadata
            return None
        self.check_end(where, offset + dataset.nbytes)
        array = np.ndarray(dataset.shape, dataset.dtype, buffer=self.memory, offset=offset)
        return MappedColumn(where, array)

    def own_chunks(self, where: str, dataset: h5py.Dataset, gaps: Gaps | None) -> ChunksColumn | None:
        """The same of chunks."""
        h5py = import_extra("h5py", "hdf5")
        if self.file.userblock_size and h5py.version.hdf5_version_tuple < BLOCKS_COUNT:
            text = (
                "%s: h5py reads all of it, slowly: HDF5 %s does not say where chunks are behind a user block"
            )
            log.warning(text, where, h5py.version.hdf5_version)
            return None
        filters = filters_of(dataset)
        if dataset.chunks[1:] != dataset.shape[1:] or filters is None:
            return None
        chunks = list_chunks(where, dataset, self.memory, compressed=bool(filters))
        if chunks is None:
            return None
        if not filters:
            return ChunksColumn(where, dataset, chunks, gaps)
        return CodedColumn(where, dataset, chunks, gaps, filters)

    def check_end(self, where: str, wanted: int) -> None:
        """Raise DataError where the file ends before its data."""
        if len(self.memory) < wanted:
            found = f"{len(self.memory):,} bytes"
            raise DataError("truncated", where=where, found=found, wanted=f"{wanted:,} bytes")

    def close(self) -> None:
        """Close the file."""
        for gaps in self.virtual:
            gaps.close()
        self.file.close()


def is_dimension_alone(dataset: h5py.Dataset) -> bool:
    """Whether this is netCDF's place for a dimension that has no coordinates: it never holds anything."""
    name = dataset.attrs.get("NAME") if "NAME" in dataset.attrs else None
    return isinstance(name, bytes) and name.startswith(DIMENSION)


def text_of(name: str | bytes) -> str:
    """A name of an object; one that is no UTF-8 comes as bytes."""
    return name if isinstance(name, str) else name.decode(errors="backslashreplace")


def check_filters(where: str, dataset: h5py.Dataset) -> None:
    """Raise DataError where chunks went through a filter that HDF5 does not find."""
    h5py = import_extra("h5py", "hdf5")
    plist = dataset.id.get_create_plist()
    for code, _, _, name in (plist.get_filter(number) for number in range(plist.get_nfilters())):
        if not h5py.h5z.filter_avail(code):
            found = f"number {code} {name.decode(errors='replace')}".strip()
            wanted = "one that HDF5 has, or finds as a plug-in: see hdf5plugin"
            raise DataError("unknown filter", where=where, found=found, wanted=wanted)


def doubtful_rows(column: FastColumn) -> list[tuple[int, int]]:
    """The rows of a last chunk that is not full, and may have been left alone by the filters.

    HDF5 can be told so (`H5Pset_chunk_opts`), and notes it where h5py cannot look; such a chunk is as long as
    if nothing had been filtered.
    """
    if not isinstance(column, CodedColumn):
        return []
    rows, last = column.shape[0], len(column.chunks.begins) - 1
    whole = column.chunks.sizes[last] == column.chunk * column.width and not column.chunks.skipped[last]
    return [(last * column.chunk, rows)] if rows % column.chunk and whole else []


FastColumn = MappedColumn | ChunksColumn
