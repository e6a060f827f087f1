"""Arithmetic: numba functions over arrays, without the GIL and without allocation per sample.

One room per field; beside them what all use. `_jit.kernel` is the one way to compile. Every kernel has a
slow, obvious twin below `tests/kernels`. Internal.
"""
