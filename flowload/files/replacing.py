"""A file that is written whole, or left as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .drafts import naming, sync_folder

__all__ = ["replacing"]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file beside `path` to write to; then it is on disk and has that name, or is gone after an error.

    It is called `.NAME.partial`: a process that is killed meanwhile leaves it behind, and the next one that
    writes `path` writes over it. So one process at a time may write a path.

    Raises OSError that names the file, such as for a full disk.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.partial")
    try:
        with naming(draft), draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.absolute().parent)
    finally:
        draft.unlink(missing_ok=True)
