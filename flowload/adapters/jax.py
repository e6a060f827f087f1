"""JAX: the arrays of a batch as JAX arrays, on a CPU on the same memory; and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .jax_checkpoint import load_checkpoint, save_checkpoint
from .jax_library import import_jax

__all__ = ["as_jax", "load_checkpoint", "save_checkpoint"]


def as_jax(batch: Mapping[str, Any], device: Any = None) -> dict[str, Any]:
    """A batch as JAX arrays: `for batch in batches: step(as_jax(batch))`. Needs `flowload[jax]`.

    On a CPU nothing is copied: a batch lies on 64-byte borders, as XLA wants it, and its buffer is not used
    again while a JAX array lives. So do not write to the batch afterwards: JAX arrays never change. What JAX
    has no type for in its present mode is converted as everywhere in JAX: without `jax_enable_x64`, 64-bit
    numbers become 32-bit ones.

    Args:
        batch: numpy arrays, or tensors where the graph has `to_device`.
        device: a JAX device or sharding; None: JAX's default.

    Raises MissingExtra.

    Examples:
        >>> graph = fl.rows({"x": np.arange(3.0, dtype=np.float32)}) >> fl.batch(3)
        >>> with graph.iterate() as batches:
        ...     print(as_jax(next(batches))["x"].sum())
        3.0
    """
    jax = import_jax()
    return {key: put(jax, value, device) for key, value in batch.items()}


def put(jax: Any, value: Any, device: Any) -> Any:
    """One array on a device."""
    if not isinstance(value, np.ndarray):  # a tensor; it may lie on a GPU already
        value = jax.dlpack.from_dlpack(value)
    return jax.device_put(value, device, may_alias=True)
