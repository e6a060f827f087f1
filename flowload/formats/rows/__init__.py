"""Rows of one's own as records for `fl.rows`: npy, HDF5, zarr, LMDB, TileDB, Parquet.

`columns` is what they have in common; a new kind is a subclass of its `ColumnTable`. Their libraries are
imported when a run opens them.

>>> from flowload.formats.rows import NpyRows
"""

from .hdf5 import Hdf5Rows
from .lmdb import LmdbRows
from .npy import NpyRows
from .parquet import ParquetRows
from .tiledb import TileDbRows
from .zarr import ZarrRows

__all__ = ["Hdf5Rows", "LmdbRows", "NpyRows", "ParquetRows", "TileDbRows", "ZarrRows"]
