"""Recordings over time in zarr: arrays of equal length, read in windows of rows."""
