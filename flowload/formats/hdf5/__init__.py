"""Chunked HDF5 datasets, read by ourselves, and checked by h5py when opened. Serves `rows.hdf5`."""
