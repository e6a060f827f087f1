"""A `.npy` file, or the headerless dump of an array: mapped read-only, or copied; its size is checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from flowload.errors import DataError

from .guard import Guard
from .identity import changed, identify
from .npy_header import read_npy_header
from .regular import opened, translated

__all__ = ["Dump", "check_size", "map_array", "read_array"]


MOST = 1 << 40  #: rows of an array, at most, where no bytes bound them


class Dump(NamedTuple):
    """Dtype and shape of a file without a header, as its user says them."""

    dtype: np.dtype[Any]
    row: tuple[int, ...] = ()  #: shape of a row
    rows: int | None = None  #: how many; None: as many as there are


class Head(NamedTuple):
    """Shape, dtype and offset of the array in a file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int  #: byte at which the data begin


def map_array(path: Path, guard: Guard, *, dump: Dump | None = None) -> NDArray[Any]:
    """Map an array; nothing of it is read yet.

    Args:
        path: a `.npy` file, told by its first bytes whatever its name.
        guard: what is read of the array is read inside `with guard:`, for the file may change.
        dump: what a file without a `.npy` header consists of; None: it is an error.

    Raises DataError where the size of the file is not that of an array, and NoDataError where there is none.
    """
    with opened_array(path, dump) as (fd, head):
        if prod(head.shape) == 0:
            guard.watch(path, identify(fd))
            return np.empty(head.shape, head.dtype)  # no system maps an empty range
        memory = guard.map_fd(path, fd)
        check_size(path, len(memory), head.begin + prod(head.shape) * head.dtype.itemsize)
    return np.ndarray(head.shape, head.dtype, buffer=memory, offset=head.begin)


def read_array(path: Path, guard: Guard | None = None, *, dump: Dump | None = None) -> NDArray[Any]:
    """Copy an array to memory: for numbers that a kernel finds its way by, once they were checked.

    Args: see `map_array`; the guard looks at the file after each pass and at the end.

    Raises DataError and NoDataError.
    """
    with opened_array(path, dump) as (fd, head), translated(path):
        before = identify(fd)
        if guard is not None:
            guard.watch_copied(path, before)
        array = np.empty(head.shape, head.dtype)
        done, left = head.begin, array.reshape(-1).view(np.uint8).data
        while left and (count := os.preadv(fd, [left], done)):
            done, left = done + count, left[count:]
        after = identify(fd)
        if left or after != before:
            raise changed(os.fspath(path), after, before)
    return array


@contextmanager
def opened_array(path: Path, dump: Dump | None) -> Iterator[tuple[int, Head]]:
    """The descriptor of a file, and what it holds, its size checked. Raises DataError and NoDataError."""
    with opened(path) as fd:
        with translated(path), os.fdopen(fd, "rb", closefd=False) as file:
            size = file.seek(0, 2)
            file.seek(0)
            magic = file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX
            if not magic and dump is None:
                raise DataError("no .npy file", where=str(path), found=f"{size} bytes without its header")
            head = read_header(file, path) if magic or dump is None else whole(dump, size, path)
            check_size(path, size, head.begin + prod(head.shape) * head.dtype.itemsize)
            # Of nothing there can be any number: of rows without bytes, or of numbers in no row.
            nothing = prod(head.shape) * head.dtype.itemsize == 0
            if nothing and prod(filter(None, head.shape)) > MOST:
                found = f"{head.dtype}{list(head.shape)}"
                raise DataError("too many rows", where=str(path), found=found, wanted=f"at most {MOST:,}")
        yield fd, head


def read_header(file: IO[bytes], path: Path) -> Head:
    """Dtype and shape of a `.npy` file, and where its data begin. Raises DataError."""
    file.seek(0)
    dtype, shape, columns = read_npy_header(file, str(path))
    if dtype.hasobject or columns:
        found = f"{dtype}{list(shape)}{' in columns' if columns else ''}"
        raise DataError("array of another kind", where=str(path), found=found, wanted="numbers, row by row")
    return Head(dtype, shape, file.tell())


def whole(dump: Dump, size: int, path: Path) -> Head:
    """Dtype and shape of a headerless file of so many bytes. Raises DataError unless its rows are whole."""
    dtype, row, rows = dump
    width = dtype.itemsize * prod(row)
    if rows is not None:
        check_size(path, size, rows * width)
    if size % width:
        below = size - size % width
        wanted = f"a multiple of {width}, such as {below} or {below + width}"
        raise DataError("wrong file size", where=str(path), found=f"{size} bytes", wanted=wanted)
    return Head(dtype, (size // width, *row), 0)


def check_size(path: Path, found: int, wanted: int) -> None:
    """Raise DataError unless a file has the size that its header says."""
    if found != wanted:
        raise DataError("wrong file size", where=str(path), found=f"{found} bytes", wanted=f"{wanted} bytes")
