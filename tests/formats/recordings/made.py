"""Small zarr arrays of every kind, and reading windows of them without a run."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
import zarr.codecs
from numcodecs import LZ4, Blosc, GZip, Zstd
from numpy.typing import NDArray
from zarr.storage import LocalStore

from flowload.abc.windows import Windowed
from tests.stages.fakes import FakeCall

#: What version 2 calls a compressor, and version 3 a list of codecs behind "bytes".
V2: dict[str, Any] = {
    "raw": None,
    "zstd": Zstd(1),
    "blosc": Blosc("lz4", 3, Blosc.SHUFFLE),
    "gzip": GZip(1),
    "lz4": LZ4(),
}
V3: dict[str, tuple[Any, ...]] = {
    "raw": (),
    "zstd": (zarr.codecs.ZstdCodec(level=1),),
    "blosc": (zarr.codecs.BloscCodec(cname="zstd", typesize=4),),
    "gzip": (zarr.codecs.GzipCodec(level=1),),
    "crc32c": (zarr.codecs.Crc32cCodec(),),
    "zstd, crc32c": (zarr.codecs.ZstdCodec(level=1), zarr.codecs.Crc32cCodec()),
}
KINDS = [(2, name) for name in V2] + [(3, name) for name in V3]


def numbers(shape: tuple[int, ...], dtype: str = "f4") -> NDArray[Any]:
    """Every element another value, none of them 0."""
    return (np.arange(1, np.prod(shape) + 1) % 100_003).reshape(shape).astype(dtype)


def write_array(
    path: Path,
    data: NDArray[Any],
    chunks: tuple[int, ...],
    *,
    version: Literal[2, 3] = 3,
    codec: str = "raw",
    **settings: Any,
) -> Path:
    """An array in a folder."""
    compressors: Any = V2[codec] if version == 2 else (V3[codec] or None)
    zarr.create_array(
        LocalStore(path), data=data, chunks=chunks, zarr_format=version, compressors=compressors, **settings
    )
    return path


def zipped(folder: Path, kind: int = zipfile.ZIP_STORED) -> Path:
    """The folder as a zip beside it."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", kind) as file:
        for entry in sorted(folder.rglob("*")):
            if entry.is_file():
                file.write(entry, entry.relative_to(folder))
    return path


def read_window(table: Windowed, row: int) -> dict[str, NDArray[Any]]:
    """The window that begins at a row, read into memory that holds rubbish."""
    rows = table.window(row)[2]
    out = {name: np.full((rows, *shape), 77, dtype) for name, (shape, dtype) in table.arrays().items()}
    pieces = list(table.pieces(row))
    for piece in reversed(pieces):  # in any order
        table.read(row, piece, out, FakeCall())
    return out
