"""The one compilation policy: nothing else calls numba's njit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

__all__ = ["kernel"]

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call: without the GIL, cached on disk, in IEEE arithmetic.

    Division by zero gives inf or nan as in numpy, indices are not checked, and floats are never
    reordered (no fastmath): equal input gives equal bits on every machine. The cache lies beside the
    module, or in the user's cache folder where an installed package may not be written to.

    A kernel is recompiled when its own file changes, but not when a kernel of another file that it
    calls changes: keep kernels that call each other in one file.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False}
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        # No folder to cache in can be written to (a locked-down container): slower to start, not broken.
        compiled = numba.njit(**options)(function)
    return cast("Callable[P, R]", compiled)
