"""Which files of zarr arrays must stay as they are while a run reads them.

A zip, and the documents that say how an array's chunks are to be read. The chunks themselves are files by the
thousand, opened anew for each use: one that has become shorter, or is no longer what its codec makes, is an
error when it is read; one that was replaced by another of the same size is read as it is then.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from flowload.files.guard import Guard

from .chunks.stored import StoredChunks
from .opening import OpenArray
from .stores import is_url, split_zip

__all__ = ["documents_of", "stored_documents", "watched"]

DOCUMENTS = ("zarr.json", ".zarray")


def watched(locations: Iterable[str]) -> Guard:
    """A guard of what lies on a local disk of the arrays at these locations. Raises DataError."""
    guard = Guard()
    for location in locations:
        for path in documents_of(location):
            guard.watch(path)
    return guard


def stored_documents(array: OpenArray) -> dict[str, bytes]:
    """The same of an array in a store: their bytes, by URL, for who tells data apart. Raises DataError."""
    chunks = array.gaps.chunks
    return chunks.documents(DOCUMENTS) if isinstance(chunks, StoredChunks) else {}


def documents_of(location: str) -> list[Path]:
    """The files of an array that must stay as they are, where they are on a local disk."""
    local = location.removeprefix("file://")
    if is_url(local):
        return []
    archive, _ = split_zip(Path(local))
    found = [archive] if archive else [Path(local) / name for name in DOCUMENTS]
    return [path for path in found if path.is_file()]
