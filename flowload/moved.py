"""Modules under the names that they had before 0.2: they are found, with a DeprecationWarning, until 0.3.

Only names that README or another page has shown. A finder at the end of `sys.meta_path` is asked for nothing
that exists; it costs one look into a table for a module of ours that does not.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED", "find_moved"]

FORMATS = "flowload.formats"

#: Old name to new name.
MOVED = {
    "flowload.chunk_formats": "flowload.abc.chunk_formats",
    "flowload.protocols": "flowload.abc.operators",
    "flowload.records": "flowload.abc.records",
    f"{FORMATS}.boards": f"{FORMATS}.games.boards",
    f"{FORMATS}.games_cache": f"{FORMATS}.games.cache",
    f"{FORMATS}.lc0_write": f"{FORMATS}.lc0.write",
    f"{FORMATS}.molecules_pack": f"{FORMATS}.molecules.convert.pack",
    f"{FORMATS}.molecules_transforms": f"{FORMATS}.molecules.transforms",
    f"{FORMATS}.molecules_units": f"{FORMATS}.molecules.convert.units",
    f"{FORMATS}.rows_hdf5": f"{FORMATS}.rows.hdf5",
    f"{FORMATS}.rows_lmdb": f"{FORMATS}.rows.lmdb",
    f"{FORMATS}.rows_npy": f"{FORMATS}.rows.npy",
    f"{FORMATS}.rows_tiledb": f"{FORMATS}.rows.tiledb",
    f"{FORMATS}.rows_zarr": f"{FORMATS}.rows.zarr",
}


class Moved(MetaPathFinder, Loader):
    """Finds a module by its old name, and gives the module itself: its classes are the same objects."""

    def find_spec(
        self, fullname: str, _path: object, _target: object = None
    ) -> ModuleSpec | None:  # the import system passes all three by position
        """A spec for an old name; None for all others."""
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module, which `exec_module` replaces."""
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of the new name in the place of the old one, and warn whoever imports it."""
        name = module.__name__
        told = f"{name} is {MOVED[name]} now; the old name goes with 0.3"
        warnings.warn(told, DeprecationWarning, stacklevel=2)  # which skips the frames of the import system
        sys.modules[name] = importlib.import_module(MOVED[name])


def find_moved() -> None:
    """Let old names be found; once."""
    if not any(isinstance(finder, Moved) for finder in sys.meta_path):
        sys.meta_path.append(Moved())
