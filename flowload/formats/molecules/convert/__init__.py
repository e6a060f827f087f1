"""From HDF5, extended XYZ, npz, QM9's and OpenQDC's files to packed molecules, and what was made of names.

Called by `flowload pack molecules`; begin with `pack`. Sets that people know by name are in `sets`.
"""
