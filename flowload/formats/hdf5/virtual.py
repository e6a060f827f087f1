"""Virtual datasets of HDF5: what of them has no source, and so is the fill value.

HDF5 gives the fill value wherever a source's file, or dataset, is not found, or the mapping has a gap, and
says nothing. Which elements those are only HDF5 itself knows (names with %b, prefixes, sources that grow): so
the same mapping is made twice more, in memory, with two other fill values. Where what these two give
differs, there is nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flowload.abc.records import Numbers
from flowload.errors import DataError, NoDataError
from flowload.files.foreign import foreign
from flowload.formats.compared import unlike
from flowload.formats.missing import Mask
from flowload.formats.rows.columns import import_extra
from flowload.formats.rows.runs import plan_runs

from .chunks import Gaps, GoneChunks, find_gaps

if TYPE_CHECKING:
    import h5py

__all__ = ["Lost", "VirtualGaps", "lost_sources", "virtual_gaps"]

MANY = 4096  #: sources whose places are added up; of more, the twins are asked about every row
LIMIT = 16 << 20  #: bytes of rows that are compared at once
log = logging.getLogger("flowload")

UNKNOWN, THERE, GONE = -1, 0, 1

Lost = list[tuple[str, str]]  #: sources: what is wrong, and a file


class VirtualGaps:
    """Rows of which some elements have no source.

    Args:
        where: file and dataset.
        dataset: it.
        told: what is known to be lost, for messages.
        inner: rows that a source has and yet lacks: the first, and which from there on.
    """

    def __init__(
        self, where: str, dataset: h5py.Dataset, told: str, inner: Sequence[tuple[int, Mask]] = ()
    ) -> None:
        self.where = where
        self.told = told
        self.twins = twins_of(dataset)
        self.known = np.full(dataset.shape[0], UNKNOWN, np.int8)
        for first, mask in inner:
            self.known[first : first + len(mask)][mask] = GONE
        self.width = max(1, dataset.nbytes // max(1, dataset.shape[0]))

    def absent(self, rows: Numbers) -> Mask | None:
        """See `chunks.Gaps`."""
        new = np.unique(rows[self.known[rows] == UNKNOWN])
        for run in plan_runs(new, len(self.known), 0, max(1, LIMIT // self.width)):
            with foreign("unreadable", f"{self.where}, rows {run.begin:,} to {run.end:,}"):
                one, other = (twin[run.begin : run.end] for twin in self.twins)
            self.known[run.begin : run.end] = np.where(unlike(one, other), GONE, THERE)
        mask: Mask = self.known[rows] == GONE
        return mask

    def lack(self, row: int | None = None) -> DataError:  # noqa: ARG002 - the same for all
        """See `chunks.Gaps`."""
        return DataError(
            "missing", where=self.where, found=self.told, wanted="all sources of a virtual dataset"
        )

    def close(self) -> None:
        """Let go of the memory."""
        self.twins[0].file.close()


def twins_of(dataset: h5py.Dataset) -> tuple[h5py.Dataset, h5py.Dataset]:
    """The same mapping twice, in memory, with two fill values that have no bit in common.

    Sources are opened as the file is that names them, so the twins are read from a finished image.
    """
    h5py = import_extra("h5py", "hdf5")
    home = Path(dataset.file.filename).resolve()
    # Names of sources are relative to the folder of the file: this one never comes to be on disk.
    name = str(home.with_name(f".{home.name}.{os.getpid()}.{id(dataset)}.twins"))
    with h5py.File(name, "w", driver="core", backing_store=False) as file:
        for number, byte in enumerate((b"\0", b"\xff")):
            plist = mapping_of(dataset, home)
            plist.set_fill_value(np.frombuffer(byte * dataset.dtype.itemsize, dataset.dtype)[:1].reshape(()))
            kind, space = dataset.id.get_type(), dataset.id.get_space()
            h5py.h5d.create(file.id, b"%d" % number, kind, space, plist).close()
        file.flush()
        image = file.id.get_file_image()
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    access.set_file_image(image)
    twins = h5py.File(h5py.h5f.open(name.encode(), h5py.h5f.ACC_RDONLY, access))
    return twins["0"], twins["1"]


def mapping_of(dataset: h5py.Dataset, home: Path) -> Any:
    """Creation properties with the mapping of a dataset, for one in another file."""
    h5py = import_extra("h5py", "hdf5")
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    for source in dataset.virtual_sources():
        space = source.src_space
        if space.get_select_type() == h5py.h5s.SEL_ALL:  # of a shape that is not known before it is open
            space = h5py.h5s.create_simple((elements(source.vspace),))
        name = str(home) if source.file_name == "." else source.file_name
        plist.set_virtual(source.vspace, name.encode(), source.dset_name.encode(), space)
    return plist


def elements(space: Any) -> int:
    """How many a selection has; of one without end: as many as one of its blocks."""
    h5py = import_extra("h5py", "hdf5")
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return int(space.get_select_npoints())
    _, _, count, block = space.get_regular_hyperslab()
    return prod(1 if size >= h5py.h5s.UNLIMITED else size for size in (*count, *block))


def virtual_gaps(where: str, dataset: h5py.Dataset) -> tuple[VirtualGaps | None, list[str]]:
    """Which rows lack a source, None: none do; and the files that are read.

    Raises NoDataError where no source is there at all.
    """
    with foreign("unreadable", where):
        sources = dataset.virtual_sources()
        lost, files, inner = lost_sources(where, dataset, sources)
        whole = not lost and covers_all(dataset, sources)
    if whole:
        return None, files
    names = ", ".join(f"{name} ({what})" for what, name in lost[:5]) + (" ..." if len(lost) > 5 else "")
    told = f"{len(lost)} of {len(sources)} sources lost: {names}" if lost else "a mapping with gaps"
    if not files and not any("%b" in source.file_name for source in sources):
        raise NoDataError("no source", where=where, found=told, wanted="the sources of a virtual dataset")
    with foreign("unreadable", where):
        return VirtualGaps(where, dataset, told, inner), files


def lost_sources(
    where: str, dataset: h5py.Dataset, sources: list[Any]
) -> tuple[Lost, list[str], list[tuple[int, Mask]]]:
    """Sources that are not there, or not whole; files that are; and rows that sources lack themselves."""
    h5py = import_extra("h5py", "hdf5")
    home = Path(dataset.file.filename).resolve()
    lost: Lost = []
    inner: list[tuple[int, Mask]] = []
    with ExitStack() as stack:
        files: dict[str, Any] = {}
        for source in sources:
            if "%b" in source.file_name or "%b" in source.dset_name:
                lost.append(("counted names, each asked for when it is read", source.file_name))
                continue
            path = home if source.file_name == "." else found_file(home, source.file_name)
            if path is None:
                lost.append(("no such file", source.file_name))
                continue
            if str(path) not in files:
                files[str(path)] = stack.enter_context(h5py.File(path, "r"))
            what, gaps = lack_of_source(files[str(path)], source)
            if what:
                lost.append((what, source.file_name))
            if gaps is not None:
                inner += rows_lacked(where, dataset, files[str(path)][source.dset_name], source, gaps)
    return lost, list(files), inner


def rows_lacked(
    where: str, dataset: h5py.Dataset, inner: h5py.Dataset, source: Any, gaps: Gaps
) -> list[tuple[int, Mask]]:
    """Rows of a virtual dataset that a source has, and yet lacks: the first, and which from there on."""
    own, other = row_block(source.vspace, dataset.shape), row_block(source.src_space, inner.shape)
    if own is None or other is None or own[1] != other[1] or dataset.shape[1:] != inner.shape[1:]:
        text = "%s: which rows lack what %s in %s lacks (%s) cannot be told; they are not counted"
        log.warning(text, where, source.dset_name, source.file_name, gaps.lack().found)
        return []
    mask = gaps.absent(np.arange(other[0], sum(other), dtype=np.int64))
    return [] if mask is None else [(own[0], mask)]


def row_block(space: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """The first of neighbouring rows that a selection has whole, and how many; None: it is another one."""
    h5py = import_extra("h5py", "hdf5")
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return 0, shape[0]
    first, last = (int(corner[0]) for corner in space.get_select_bounds())
    count = last - first + 1
    return (first, count) if elements(space) == count * prod(shape[1:]) else None


def found_file(home: Path, name: str) -> Path | None:
    """The file of a source, where HDF5 would look for it; None: nowhere."""
    prefix = os.environ.get("HDF5_VDS_PREFIX", "").replace("${ORIGIN}", str(home.parent))
    names = [Path(name)] if Path(name).is_absolute() else []
    last = Path(name).name if names else name
    names += [Path(prefix) / last] if prefix else []
    names += [home.parent / last, Path(last)]
    return next((path.resolve() for path in names if path.is_file()), None)


def lack_of_source(file: h5py.File, source: Any) -> tuple[str, Gaps | None]:
    """What is wrong with a source, empty: nothing; and which rows it lacks itself, though it is there."""
    h5py = import_extra("h5py", "hdf5")
    dataset = file.get(source.dset_name)
    if not isinstance(dataset, h5py.Dataset):
        return f"no dataset {source.dset_name}", None
    if not has_all(dataset.shape, source):
        return f"{source.dset_name} has only {list(dataset.shape)}", None
    name = source.dset_name
    if dataset.is_virtual:
        gaps: Gaps | None = virtual_gaps(f"{file.filename}: {name}", dataset)[0]
    elif dataset.size and not dataset.id.get_storage_size():
        gaps = GoneChunks(name, np.ones(1, bool), dataset.shape[0], 0, 1)
    else:
        gaps = find_gaps(name, dataset)
    return ("", None) if gaps is None else (f"{name} has {gaps.lack().found}", gaps)


def has_all(shape: tuple[int, ...], source: Any) -> bool:
    """Whether a dataset of this shape has all elements that a source is to give."""
    h5py = import_extra("h5py", "hdf5")
    if source.src_space.get_select_type() == h5py.h5s.SEL_ALL:
        return bool(source.vspace.get_select_npoints() == prod(shape))
    ends = source.src_space.get_select_bounds()[1]
    return len(ends) == len(shape) and all(end < size for end, size in zip(ends, shape, strict=True))


def covers_all(dataset: h5py.Dataset, sources: list[Any]) -> bool:
    """Whether the mapping has no gap, as far as that is told quickly."""
    h5py = import_extra("h5py", "hdf5")
    if len(sources) > MANY:
        return False
    union = h5py.h5s.create_simple(dataset.shape)
    union.select_none()
    for source in sources:
        kind = source.vspace.get_select_type()
        if kind == h5py.h5s.SEL_ALL:
            return True
        if kind != h5py.h5s.SEL_HYPERSLABS or not source.vspace.is_regular_hyperslab():
            return False
        start, stride, count, block = source.vspace.get_regular_hyperslab()
        if any(size < 0 or size >= h5py.h5s.UNLIMITED for size in (*count, *block)):
            return False
        union.select_hyperslab(start, count, stride, block, op=h5py.h5s.SELECT_OR)
    return bool(union.get_select_npoints() == dataset.size)
