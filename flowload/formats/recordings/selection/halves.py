"""Numbers of windows in 16 bits: float16 and bfloat16."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, GraphError, MissingExtra
from flowload.kernels.rows.cells import to_bfloat16, to_float16

__all__ = ["FLOATS", "float_of", "is_half", "write_halves"]

FLOATS = ("float16", "bfloat16", "float32", "float64")  #: what a window's numbers may become


def float_of(name: object) -> np.dtype[Any]:
    """The dtype that a user names. Raises GraphError for no float, MissingExtra where numpy knows none."""
    text = str(name).removeprefix("torch.")
    known = text if text in FLOATS else getattr(name, "__name__", "") or str(getattr(name, "name", ""))
    if known not in FLOATS:
        wanted = ", ".join(map(repr, FLOATS))
        raise GraphError(f"windows: dtype is {name!r}; wanted one of {wanted}, or None: as it is stored")
    if known != "bfloat16":
        return np.dtype(known)
    try:
        import ml_dtypes  # noqa: PLC0415 - numpy has no bfloat16 of its own
    except ImportError:
        raise MissingExtra(
            "dtype 'bfloat16' takes ml_dtypes; try: pip install 'flowload[bfloat16]'"
        ) from None
    made: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return made


def is_half(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of this dtype are made by `write_halves`."""
    return dtype.name in ("float16", "bfloat16")


def write_halves(block: NDArray[Any], out: NDArray[Any], where: str) -> None:
    """Write numbers to `out` in 16 bits, as the nearest there are. Raises DataError for too large ones."""
    values = np.ascontiguousarray(block, np.float32).reshape(-1)
    target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    words, bits, name = target.reshape(-1).view(np.uint16), values.view(np.uint32), out.dtype.name
    lost = to_float16(words, bits, values) if name == "float16" else to_bfloat16(words, bits)
    if lost:
        found = f"{lost:,} numbers, up to {float(np.abs(values[np.isfinite(values)]).max()):g}"
        wanted = "another dtype=, such as 'bfloat16', or None: as it is stored"
        raise DataError(f"too large for {name}", where=where, found=found, wanted=wanted)
    if target is not out:
        np.copyto(out, target)
