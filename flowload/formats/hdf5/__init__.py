"""Chunked HDF5 datasets, read by ourselves, and checked by h5py when opened.

Serves rows, recordings and molecules in HDF5; begin with `file`.
"""

# Modules here take columns and runs from `rows`, whose own `__init__` asks for `rows.hdf5`, and that for a
# module here: begun from this side, the one that was asked for would be found half made.
import flowload.formats.rows  # noqa: F401
