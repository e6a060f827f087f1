"""A packed folder of a few molecules with a column of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from flowload.formats.molecules import PackedMolecules
from tests.formats.molecules import packs as naive

__all__ = ["DIPOLE", "folder"]

DIPOLE = {"per": "molecule", "shape": [3], "dtype": "float32", "unit": "e*angstrom", "kind": "vector"}


def folder(path: Path, sizes: list[int], first: float = 0, *, dipole: bool = False, **how: Any) -> Any:
    """Energies count from `first`."""
    arrays = naive.content(sizes, seed=int(first))
    arrays["E.f64"] = first + np.arange(len(sizes), dtype=float)
    manifest: dict[str, Any] = {}
    if dipole:
        arrays["dipole.f32"] = np.arange(3 * len(sizes), dtype=np.float32)
        manifest["columns"] = {"dipole": DIPOLE}
    if how.pop("still", False):
        del arrays["F_pack.f32"]
        manifest["without"] = ["F"]
    naive.write(path, arrays)
    if manifest:
        (path / "meta.json").write_text(json.dumps(manifest))
    return PackedMolecules(path, **how)
