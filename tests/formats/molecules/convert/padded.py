"""Padded arrays in an npz, for tests of packing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flowload.formats.molecules.convert.units import Units
from tests.formats.molecules import packs as naive

__all__ = ["OURS", "padded", "save"]


OURS = Units(energy="kcal/mol", length="angstrom", force="kcal/mol/angstrom")


def save(path: Path, arrays: Mapping[str, Any], *, compressed: bool = False) -> Path:
    """An archive."""
    named: Any = dict(arrays)
    (np.savez_compressed if compressed else np.savez)(path, **named)
    return path


def padded(arrays: naive.Content, spare: int = 0) -> naive.Content:
    """As an archive has them."""
    rows = range(len(arrays["n_atoms.npy"]))
    batch = naive.physnet(arrays, rows, int(arrays["n_atoms.npy"].max()) + spare)
    return {key: batch[key] for key in ("Z", "R", "F", "E", "N", "Qtot")}
