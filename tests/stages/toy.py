"""A format so plain that tests know every byte: chunks of records that say where they come from."""

from __future__ import annotations

import itertools
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import Layout
from flowload.abc.operators import Bytes
from flowload.blocks import CHUNK, ORIGIN, Chunks, Frames, SourceFile
from flowload.errors import DataError

__all__ = [
    "NARROW",
    "STRIDE",
    "TOY",
    "ToyFormat",
    "check_origin",
    "pieces",
    "references",
    "toy_chunks",
    "toy_file",
    "toy_frames",
    "used",
    "where_from",
]

STRIDE = 21  #: bytes of a record: file tag, chunk, record as int32, a version byte, eight bytes of filling
NARROW = 13  #: bytes of an old record: without the filling


def record_bytes(tag: int, chunk: int, count: int, stride: int) -> Bytes:
    """The records of one chunk: (count, stride)."""
    rows = np.zeros((count, stride), np.uint8)
    words = np.stack([np.full(count, tag), np.full(count, chunk), np.arange(count)], axis=1).astype("<i4")
    rows[:, :12] = words.view(np.uint8).reshape(count, 12)
    rows[:, 12] = stride
    rows[:, 13:] = np.arange(count)[:, None] % 251
    return rows


def where_from(data: Bytes) -> list[tuple[int, int, int]]:
    """File tag, chunk and record of each row, read from the rows themselves."""
    words = np.ascontiguousarray(data[:, :12]).view("<i4")
    return [(int(a), int(b), int(c)) for a, b, c in words]


@dataclass(frozen=True)
class Triple:
    """A layout of three numbers."""

    def fields(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        return {"triple": ((3,), np.dtype("<i4")), "version": ((), np.dtype("u1"))}

    def encode(self, rows: Bytes, out: Mapping[str, NDArray[Any]], start: int) -> None:
        out["triple"][start : start + len(rows)] = where_from(rows) if len(rows) else np.empty((0, 3))
        out["version"][start : start + len(rows)] = rows[:, 12]


@dataclass(frozen=True)
class Only:
    """A layout of one number."""

    def fields(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        return {"record": ((), np.dtype("<i8"))}

    def encode(self, rows: Bytes, out: Mapping[str, NDArray[Any]], start: int) -> None:
        out["record"][start : start + len(rows)] = [record for _, _, record in where_from(rows)]


@dataclass(frozen=True)
class ToyFormat:
    """Chunks are compressed with zlib; the first bytes of a file hold nothing."""

    name: str = "toy"
    suffixes: tuple[str, ...] = (".toy",)
    layouts: Mapping[str, Layout] = field(
        default_factory=lambda: {"triple": Triple(), "only": Only()}, hash=False
    )

    def index(self, path: str) -> NDArray[np.void]:
        raise NotImplementedError(path)

    def inflate(self, fd: int, chunk: np.void, out: Bytes, *, limit: int, where: str) -> tuple[Bytes, int]:
        packed = os.pread(fd, int(chunk["size"]), int(chunk["offset"]))
        try:
            data = np.frombuffer(zlib.decompress(packed), np.uint8)
        except zlib.error as error:
            raise DataError("bad bytes", where=where, found=str(error), wanted="zlib") from error
        if len(data) > limit:
            raise DataError("too large", where=where, found=f"{len(data)} bytes", wanted=f"at most {limit}")
        stride = int(data[12])
        if len(data) > len(out):
            return data.copy(), stride
        out[: len(data)] = data
        return out[: len(data)], stride

    def describe(self, path: str, chunk: np.void) -> str:
        return f"game {chunk['index']}"


TOY = ToyFormat()


def toy_file(
    folder: Path,
    lengths: Sequence[int],
    *,
    tag: int = 0,
    stride: int = STRIDE,
    bad: frozenset[int] = frozenset(),
) -> Chunks:
    """Write a file with chunks of so many records; its index. Chunks in `bad` do not inflate."""
    path = folder / f"{tag}.toy"
    table = np.zeros(len(lengths), CHUNK)
    blob = b"head"
    for i, count in enumerate(lengths):
        rows = record_bytes(tag, i, count, stride)
        packed = b"not zlib" if i in bad else zlib.compress(rows.tobytes())
        table[i] = (len(blob), len(packed), rows.nbytes, 0, i, count, 0, -1, True)
        blob += packed
    path.write_bytes(blob)
    return Chunks(TOY, (SourceFile(str(path)),), table)


def toy_chunks(count: int, *, files: int = 1, records: int = 10, first: int = 0) -> Chunks:
    """References to chunks of files that do not exist: enough for stages that only pass references."""
    table = np.zeros(count, CHUNK)
    table["index"] = np.arange(first, first + count) // files
    table["source"] = np.arange(count) % files
    table["records"] = records
    table["inflated"] = records * STRIDE
    table["size"] = 10
    table["cap"] = -1
    table["gzip"] = True
    return Chunks(TOY, tuple(SourceFile(f"/nowhere/{i}.toy") for i in range(files)), table)


def toy_frames(count: int, *, first: int = 0, tag: int = 0, chunk: int = 0, stride: int = STRIDE) -> Frames:
    """Records `first` .. of one chunk."""
    data = record_bytes(tag, chunk, first + count, stride)[first:].copy()
    origin = np.zeros(count, ORIGIN)
    origin["chunk"] = chunk
    origin["record"] = np.arange(first, first + count)
    return Frames(TOY, (SourceFile(f"/nowhere/{tag}.toy"),), data, origin)


def references(chunks: Chunks) -> list[tuple[str, int]]:
    """Source name and index of each chunk."""
    rows = chunks.table[["source", "index"]].tolist()
    return [(chunks.sources[source].name, index) for source, index in rows]


def pieces(chunks: Chunks, cuts: Sequence[int]) -> list[Chunks]:
    """The same chunks in blocks, cut somewhere."""
    borders = [0, *sorted(cut % (len(chunks) + 1) for cut in cuts), len(chunks)]
    return [chunks.select(slice(a, b)) for a, b in itertools.pairwise(borders)]


def used(chunks: Chunks, use: int) -> Chunks:
    """The same chunks in their use number `use`."""
    table = chunks.table.copy()
    table["use"] = use
    return replace(chunks, table=table)


def check_origin(frames: Frames) -> list[tuple[int, int, int]]:
    """Where the rows say that they come from; it must be what their origin says."""
    found = where_from(frames.data)
    said = frames.origin[["chunk", "record"]].tolist()
    assert [(chunk, record) for _, chunk, record in found] == said
    tags = [
        int(frames.sources[source].name.removesuffix(".toy")) for source in frames.origin["source"].tolist()
    ]
    assert [tag for tag, _, _ in found] == tags
    return found
