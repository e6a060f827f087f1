"""A `.npy` file, or the headerless dump of an array, as a read-only memory map whose size was checked."""

from __future__ import annotations

import mmap
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from flowload.errors import DataError, NoDataError

__all__ = ["Dump", "map_array"]

Dump = tuple[np.dtype[Any], tuple[int, ...]]  #: what a headerless file consists of: dtype, and shape of a row


def map_array(path: Path, *, dump: Dump | None = None) -> NDArray[Any]:
    """Map an array; nothing of it is read yet.

    Args:
        path: a `.npy` file, told by its first bytes whatever its name.
        dump: what a file without a `.npy` header consists of; None: it is an error.

    Raises DataError where the size of the file is not that of an array, and NoDataError where there is none.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            magic = file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX
            if not magic and dump is None:
                raise DataError("no .npy file", where=str(path), found=f"{size} bytes without its header")
            dtype, shape, begin = (
                read_header(file, path) if magic or dump is None else whole(dump, size, path)
            )
            check_size(path, size, begin + prod(shape) * dtype.itemsize)
            if prod(shape) == 0:
                return np.empty(shape, dtype)  # no system maps an empty range
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise NoDataError("no such file", where=str(path)) from error
    return np.ndarray(shape, dtype, buffer=memory, offset=begin)


def read_header(file: IO[bytes], path: Path) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Dtype and shape of a `.npy` file, and where its data begin. Raises DataError."""
    file.seek(0)
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (ValueError, SyntaxError, TokenError) as error:  # whatever numpy meets in its text
        raise DataError("bad .npy header", where=str(path), found=str(error)) from error
    if dtype.hasobject or (fortran and len(shape) > 1) or min(shape, default=0) < 0:
        found = f"{dtype}{list(shape)}{' in columns' if fortran else ''}"
        raise DataError("array of another kind", where=str(path), found=found, wanted="numbers, row by row")
    return dtype, shape, file.tell()


def whole(dump: Dump, size: int, path: Path) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Dtype and shape of a headerless file of so many bytes. Raises DataError unless its rows are whole."""
    dtype, row = dump
    width = dtype.itemsize * prod(row)
    if size % width:
        below = size - size % width
        wanted = f"a multiple of {width}, such as {below} or {below + width}"
        raise DataError("wrong file size", where=str(path), found=f"{size} bytes", wanted=wanted)
    return dtype, (size // width, *row), 0


def check_size(path: Path, found: int, wanted: int) -> None:
    """Raise DataError unless a file has the size that its header says."""
    if found != wanted:
        raise DataError("wrong file size", where=str(path), found=f"{found} bytes", wanted=f"{wanted} bytes")
