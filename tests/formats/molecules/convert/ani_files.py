"""ANI's files, and changes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

__all__ = ["change"]


def change(path: Path, how: Callable[[Any], None]) -> Path:
    with h5py.File(path, "a") as file:
        how(file)
    return path
