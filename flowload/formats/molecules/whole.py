"""One array of a packed folder at once, without a run."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import GraphError

from .files import Pack, open_pack

__all__ = ["whole_column"]


def whole_column(path: Path, name: str) -> NDArray[Any]:
    """All values of one array, in memory. Raises GraphError for one that is not there, and DataError."""
    pack = open_pack(path)
    with closing(pack.guard), pack.guard:
        known = standard(pack)
        for key, column in pack.manifest.columns:
            known[key] = pack.columns[key].reshape(-1, *column.shape)
        if name not in known:
            raise GraphError(f"PackedMolecules: there is no {name!r}; {path} has {', '.join(known)}")
        return known[name].copy()


def standard(pack: Pack) -> dict[str, NDArray[Any]]:
    """What every folder has, or may have; charges that are not there are 0."""
    known: dict[str, NDArray[Any]] = {"Z": pack.numbers, "R": pack.places.reshape(-1, 3)}
    if len(pack.forces):
        known["F"] = pack.forces.reshape(-1, 3)
    if len(pack.energies):
        known["E"] = pack.energies
    known["Qtot"] = pack.charges if len(pack.charges) else np.zeros(len(pack))
    return known
