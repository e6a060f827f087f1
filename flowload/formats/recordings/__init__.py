"""Recordings over time, in zarr and in other files: arrays of equal length, read in windows of rows."""
