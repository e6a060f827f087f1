"""Whether all of an HDF5 dataset is there: the library gives zeros for what was never written."""

from __future__ import annotations

from math import prod
from typing import Any

from flowload.errors import DataError
from flowload.files.foreign import foreign

__all__ = ["check_stored"]


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
