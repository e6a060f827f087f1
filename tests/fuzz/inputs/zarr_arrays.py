"""Random zarr arrays of every kind that zarr-python writes: the same for the same numbers."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

__all__ = ["random_array", "random_values"]

DTYPES = [
    "u1",
    "i1",
    "<i2",
    ">i2",
    "<i4",
    ">u4",
    "<f2",
    "<f4",
    ">f4",
    "<f8",
    ">f8",
    "<c8",
    ">c16",
    "?",
    "<u8",
]

OLD_COMPRESSORS: list[Any] = [
    None,
    numcodecs.Zlib(),
    numcodecs.GZip(),
    numcodecs.BZ2(),
    numcodecs.LZ4(),
    numcodecs.LZMA(),
    numcodecs.Zstd(),
    numcodecs.Zstd(checksum=True),
    numcodecs.Blosc("lz4"),
    numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE),
]
COMPRESSORS: list[Any] = [
    [],
    [GzipCodec()],
    [ZstdCodec()],
    [ZstdCodec(checksum=True)],
    [BloscCodec()],
    [BloscCodec(cname="lz4", shuffle="bitshuffle")],
    [Crc32cCodec()],
    [ZstdCodec(), Crc32cCodec()],
    [GzipCodec(), ZstdCodec()],
]


def pick(rng: np.random.Generator, choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def random_array(path: Path, rng: np.random.Generator) -> zarr.Array[Any]:
    """An array whose chunks are written in part: some never, some lost, some of before it was resized."""
    shape = tuple(int(n) for n in rng.integers(1, 24, rng.integers(1, 4)))
    chunks = tuple(int(rng.integers(1, n + 3)) for n in shape)
    dtype = np.dtype(pick(rng, DTYPES))
    fill = pick(rng, [0, 1.5, np.nan, -np.inf]) if dtype.kind == "f" else pick(rng, [0, 1])
    how = old_kind(rng, dtype) if rng.random() < 0.5 else new_kind(rng, chunks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = zarr.create_array(
            str(path),
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            fill_value=dtype.type(fill),
            config={"write_empty_chunks": bool(rng.random() < 0.5)},
            **how,
        )
        rows = int(rng.integers(1, shape[0] + 1)) if rng.random() < 0.5 else shape[0]
        array[:rows] = random_values(rng, (rows, *shape[1:]), dtype)
        if rng.random() < 0.2:
            array.resize((int(rng.integers(1, 40)), *shape[1:]))
        if rng.random() < 0.3:
            lose_one(path, rng)
    return array


def random_values(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Any bits, and stretches of zeros, of which chunks are left out."""
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    values = np.frombuffer(rng.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape).copy()
    if rng.random() < 0.3:
        values[: len(values) // 2] = 0
    return values


def old_kind(rng: np.random.Generator, dtype: np.dtype[Any]) -> dict[str, Any]:
    how: dict[str, Any] = {
        "zarr_format": 2,
        "compressors": pick(rng, OLD_COMPRESSORS),
        "order": pick(rng, "CF"),
        "chunk_key_encoding": {"name": "v2", "separator": pick(rng, "./")},
    }
    if rng.random() < 0.2 and dtype.kind in "iu":
        how["filters"] = [numcodecs.Delta(dtype=dtype)]
    elif rng.random() < 0.2 and dtype.kind in "iuf":
        how["filters"] = [numcodecs.Shuffle(dtype.itemsize)]
    return how


def new_kind(rng: np.random.Generator, chunks: tuple[int, ...]) -> dict[str, Any]:
    how: dict[str, Any] = {
        "zarr_format": 3,
        "serializer": BytesCodec(endian=pick(rng, ["little", "big"])),
        "compressors": pick(rng, COMPRESSORS) or None,
        "chunk_key_encoding": {"name": pick(rng, ["default", "v2"]), "separator": pick(rng, "./")},
    }
    if rng.random() < 0.4:
        shards = tuple(size * int(rng.integers(1, 4)) for size in chunks)
        how["shards"] = {"shape": shards, "index_location": pick(rng, ["start", "end"])}
    if rng.random() < 0.25 and len(chunks) > 1:
        how["filters"] = [TransposeCodec(order=tuple(int(k) for k in rng.permutation(len(chunks))))]
    return how


def lose_one(path: Path, rng: np.random.Generator) -> None:
    """Remove a file of a chunk, but never the last one."""
    files = [
        Path(folder) / name
        for folder, _, names in os.walk(path)
        for name in sorted(names)
        if name not in ("zarr.json", ".zarray", ".zattrs")
    ]
    if len(files) > 1:
        sorted(files)[int(rng.integers(len(files)))].unlink()
