"""Arithmetic: numba functions over arrays, without the GIL and without allocation per sample."""
