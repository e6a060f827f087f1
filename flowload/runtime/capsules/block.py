"""The block that a call was given, as JSON: references as they are, small arrays as bytes."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.adapted import full_table
from flowload.abc.chunk_formats import ChunkFormat
from flowload.abc.operators import Block, State
from flowload.abc.records import WRITTEN, Numbers, Order
from flowload.blocks import CHUNK, Batch, Chunks, Files, Rows, SourceFile
from flowload.errors import DataError
from flowload.files.objects.bring import opening
from flowload.graph.plan import Placed

__all__ = ["as_json", "digest_of", "from_json"]

LARGEST = 1 << 20  #: bytes of arrays that a capsule holds at most


def as_json(block: object, nodes: Iterable[Placed]) -> dict[str, Any] | None:
    """What makes the block again; None: only the stages before it can."""
    if isinstance(block, Files):
        return {"files": list(block.paths), "epoch": block.epoch}
    if isinstance(block, Chunks):
        sources = [[source.path, source.key, source.stamp.hex()] for source in block.sources]
        return {"chunks": packed(block.table.view(np.uint8)), "format": block.format.name, "sources": sources}
    if isinstance(block, Rows):
        node = next((p.name for p in nodes if getattr(p.stage, "records", None) is block.records), None)
        return None if node is None else {"rows": array_as_json(block.picks.array()), "node": node}
    if isinstance(block, Batch):
        arrays = dict(block.arrays)
        plain = all(isinstance(array, np.ndarray) and not array.dtype.hasobject for array in arrays.values())
        if plain and sum(array.nbytes for array in arrays.values()) <= LARGEST:
            return {"batch": {key: array_as_json(array) for key, array in arrays.items()}}
    return None


def from_json(found: Mapping[str, Any], nodes: Iterable[Placed]) -> Block:
    """The block that `as_json` told of, in a drawing of the same stages. Raises DataError for any other."""
    stages = {placed.name: placed.stage for placed in nodes}
    try:
        if "files" in found:
            return Files(tuple(found["files"]), int(found["epoch"]))
        if "chunks" in found:
            sources = [
                SourceFile(path, int(key), bytes.fromhex(stamp)) for path, key, stamp in found["sources"]
            ]
            table = np.frombuffer(unpacked(found["chunks"]), CHUNK).copy()
            return Chunks(format_of(found["format"], stages.values()), tuple(sources), table)
        if "rows" in found:
            records: Any = getattr(stages[found["node"]], "records")  # noqa: B009 - some stages have them
            opened = full_table(records.open(), records.name)
            return Rows(opened, Numbered(array_from_json(found["rows"])), records)
        return Batch({key: array_from_json(array) for key, array in found["batch"].items()})
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise DataError("no block", where="the capsule", found=repr(error)) from error


def format_of(name: str, stages: Iterable[object]) -> ChunkFormat:
    """The format of a drawing's stages that has this name. Raises ValueError."""
    for stage in stages:
        form: Any = getattr(stage, "format", None)
        if getattr(form, "name", None) == name:
            found: ChunkFormat = form
            return found
    raise ValueError(f"no stage reads the format {name!r}")


class Numbered:
    """Row numbers, as `Rows` holds them."""

    def __init__(self, numbers: NDArray[np.int64]) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers."""
        return int(self.numbers.nbytes)

    def array(self) -> NDArray[np.int64]:
        """The numbers."""
        return self.numbers

    def select(self, which: NDArray[Any] | slice) -> Numbered:
        """The selection of the places that an index array, a mask or a slice names."""
        return Numbered(self.numbers[which])

    def at(self, places: Numbers) -> Numbers:
        """The numbers at these places."""
        return self.numbers[places]

    def lazy(self) -> tuple[Numbers, Order]:
        """The numbers, which nobody has to write."""
        return self.numbers, WRITTEN

    def state(self) -> State:
        """The numbers as JSON values."""
        return {"rows": self.numbers.tolist()}


def digest_of(block: object, where: str) -> str | None:
    """A digest of the bytes of the record that an error names, or of all that the block holds."""
    if isinstance(block, Chunks):
        for chunk in block.table:
            path = block.sources[int(chunk["source"])].path
            with suppress(OSError, DataError), opening(path):  # it may have made room for others
                if block.format.describe(path, chunk) in where:
                    return digest(read_at(path, int(chunk["offset"]), int(chunk["size"])))
    if isinstance(block, Batch):
        return digest(b"".join(np.asarray(block[key]).tobytes() for key in sorted(block.arrays)))
    return None


def read_at(path: str, offset: int, size: int) -> bytes:
    """Bytes of a file, as many as there are. Raises OSError."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a name as it came
        return os.pread(file.fileno(), size, offset)


def digest(data: bytes) -> str:
    """A digest of bytes, 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def array_as_json(array: NDArray[Any]) -> dict[str, Any]:
    """An array of numbers or text."""
    plain = np.ascontiguousarray(array)
    return {
        "dtype": plain.dtype.str,
        "shape": list(plain.shape),
        "data": packed(plain.reshape(-1).view(np.uint8)),
    }


def array_from_json(found: Mapping[str, Any]) -> NDArray[Any]:
    """The array that `array_as_json` told of."""
    return np.frombuffer(unpacked(found["data"]), np.dtype(found["dtype"])).reshape(found["shape"]).copy()


def packed(data: NDArray[np.uint8]) -> str:
    """Bytes as text: compressed, in base 64."""
    return base64.b64encode(zlib.compress(data.tobytes(), 1)).decode()


def unpacked(text: str) -> bytes:
    """The bytes of a text."""
    return zlib.decompress(base64.b64decode(text))
