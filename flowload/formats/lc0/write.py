"""Write lc0 chunks and tars of chunks, for whoever converts data: the same records give the same bytes.

A file appears under its name only when it is complete; until then it is a hidden one beside it.
"""

from __future__ import annotations

import io
import os
import secrets
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from flowload.abc.operators import Bytes
from flowload.errors import DataError, NoDataError
from flowload.files.drafts import naming, sync_folder

from .records import SIZES, check_chunk

__all__ = ["write_chunk", "write_tar"]

GZIP = 31  #: zlib's window bits for a gzip member; its header has neither a time nor a name
LEVEL = 6


def write_chunk(
    path: str | os.PathLike[str], records: NDArray[Any], *, level: int = LEVEL, fsync: bool = True
) -> None:
    """Write one game as a `.gz` file.

    Args:
        path: the file; replaced if it is there.
        records: (n, record size) uint8, or (n,) of a dtype of `lc0_records.RECORDS`; all of one version.
        level: of compression, 1 to 9.
        fsync: wait until the disk has it, and its name; False: after a power failure it may be empty.

    Raises DataError for what are no such records, OSError.
    """
    data = compressed(records, level, os.fspath(path))
    with replacing(Path(path), fsync) as file:
        file.write(data)


def write_tar(
    path: str | os.PathLike[str], chunks: Iterable[NDArray[Any]], *, level: int = LEVEL, fsync: bool = True
) -> int:
    """Write games as a tar of `.gz` members `NAME/training.000000.gz` and so on; how many there were.

    `chunks` is gone through once, holding one at a time; the rest is as in `write_chunk`. A tar of no game
    is an error: NoDataError "no chunks".
    """
    count = 0
    with replacing(Path(path), fsync) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for count, records in enumerate(chunks, 1):
            info = tarfile.TarInfo(f"{Path(path).stem}/training.{count - 1:06d}.gz")
            data = compressed(records, level, f"{os.fspath(path)}, chunk {count - 1}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if count == 0:
            raise NoDataError("no chunks", where=os.fspath(path), wanted="at least one game")
    return count


def compressed(records: NDArray[Any], level: int, where: str) -> bytes:
    """One chunk as a gzip member, once its records are known to be valid."""
    rows = as_rows(records, where)
    found, sizes = rows.shape[1], SIZES.values()
    if found not in sizes or found != check_chunk(rows.reshape(-1), where):
        wanted = "the size of a record: " + ", ".join(map(str, sizes))
        raise DataError("wrong record size", where=where, found=f"rows of {found} bytes", wanted=wanted)
    return zlib_ng.compress(rows.data, level, GZIP)


def as_rows(records: NDArray[Any], where: str) -> Bytes:
    """Records as bytes (n, record size)."""
    rows = np.ascontiguousarray(records)
    if rows.ndim == 1 and rows.dtype.names:
        rows = rows.view(np.uint8).reshape(len(rows), rows.itemsize)
    if rows.ndim != 2 or rows.dtype != np.uint8:
        found = f"{rows.dtype} {rows.shape}"
        raise TypeError(f"{where}: records are {found}; wanted uint8 (n, record size), or a dtype of RECORDS")
    return rows


@contextmanager
def replacing(path: Path, fsync: bool) -> Iterator[BinaryIO]:
    """A hidden file beside `path` that takes its place at the end, and is gone after an error."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with naming(part), part.open("xb") as file:
            yield file
            file.flush()
            if fsync:
                os.fsync(file.fileno())
        part.replace(path)
        if fsync:
            sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)
