"""What the HDF5 library does not look at: data never written, and heaps in which it runs in circles."""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.files.regular import opened

__all__ = ["check_heaps", "check_stored"]

HEAP = b"GCOL\1\0\0\0"  #: how a collection of strings of any length begins
OBJECT = struct.Struct("<HHIQ")  #: in it: index, references, nothing, size
PIECE = 1 << 20  #: bytes that are searched at a time
LARGEST = 1 << 30  #: bytes of a collection: a claim of more is none


def check_stored(dataset: Any, where: str) -> None:
    """Raise DataError for a dataset that lies elsewhere, or of which something was never written.

    Virtual ones, and those whose bytes are in files of their own, would be filled where those are missing.
    """
    with foreign("bad HDF5", where):
        elsewhere = dataset.is_virtual or bool(dataset.external)
        size, chunks, stored = dataset.size, dataset.chunks, dataset.id.get_storage_size()
        written = dataset.id.get_num_chunks() if chunks and size else 0
    if elsewhere:
        wanted = "data in this file, such as a copy by h5repack"
        raise DataError("data that lie in other files", where=where, wanted=wanted)
    if size and not stored:
        raise DataError("data that were never written", where=where, wanted=f"{list(dataset.shape)}")
    if not chunks or not size:
        return
    wanted_chunks = prod(-(-length // chunk) for length, chunk in zip(dataset.shape, chunks, strict=True))
    if written < wanted_chunks:
        raise DataError(
            "chunks that were never written", where=where, found=f"{written:,}", wanted=f"{wanted_chunks:,}"
        )


def check_heaps(path: Path) -> None:
    """Raise DataError for a file with a damaged heap, which is where strings of any length are.

    The library goes from object to object by their sizes, and for ever where one is 0. Nothing stops it then.
    """
    with opened(path) as fd, open(fd, "rb", closefd=False) as file:
        at, before = 0, b""
        while data := file.read(PIECE):
            found = -1
            window = before + data
            while (found := window.find(HEAP, found + 1)) >= 0:
                place = at - len(before) + found
                check_heap(file, place, path)
                file.seek(at + len(data))
            at += len(data)
            before = window[-len(HEAP) + 1 :]


def check_heap(file: BinaryIO, place: int, path: Path) -> None:
    """Raise DataError unless the objects of a collection lie one behind the other, up to its end."""
    file.seek(place + len(HEAP))
    head = OBJECT.size
    size = int.from_bytes(file.read(8), "little")
    if head <= size <= LARGEST:
        file.seek(place)
        data = file.read(size)
        step, at = head, head
        while step and at + head <= len(data):
            index, _, _, length = OBJECT.unpack_from(data, at)
            # Object 0 is the room that is left, its own header included.
            step = (length if length >= head else 0) if index == 0 else head + -(-length // 8) * 8
            at += step
        if step and at <= len(data) == size:
            return
    where = f"{path}, byte {place}"
    raise DataError("bad HDF5", where=where, found="a damaged heap", wanted="objects up to its end")
