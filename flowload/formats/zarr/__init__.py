"""Zarr arrays (version 2 or 3), read in windows the fastest way that they allow, and checked by zarr-python.

Serves `rows.zarr` and `recordings`; begin with `array`.
"""
