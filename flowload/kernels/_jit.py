"""The one compilation policy: nothing else calls numba's njit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numba
from numba.core.dispatcher import Dispatcher

__all__ = ["CHECKED", "kernel"]

P = ParamSpec("P")
R = TypeVar("R")


def digest_of(folder: Path) -> str:
    """Eight letters that change when a module of a folder, or of one below it, does."""
    digest = hashlib.blake2b(digest_size=4)
    for module in sorted(folder.rglob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


CHECKED = bool(getattr(numba.config, "BOUNDSCHECK", None))  #: by NUMBA_BOUNDSCHECK=1
STAMP = digest_of(Path(__file__).parent) + "-checked" * CHECKED


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call: without the GIL, cached on disk, in IEEE arithmetic.

    Division by zero gives inf or nan as in numpy, indices are not checked, and floats are never
    reordered (no fastmath): equal input gives equal bits on every machine. The cache lies beside the
    module, or in the user's cache folder where an installed package may not be written to.

    Under NUMBA_BOUNDSCHECK=1 indices are checked, and so are the reads and writes of `words`; such kernels
    have a cache of their own.
    """
    compiled = numba.njit(nogil=True, error_model="numpy", boundscheck=False)(function)
    if isinstance(compiled, Dispatcher):  # a plain function under NUMBA_DISABLE_JIT
        enable_cache(compiled, function)
    return cast("Callable[P, R]", compiled)


def enable_cache(compiled: Dispatcher[Callable[P, R]], function: Callable[P, R]) -> None:
    """Keep what is compiled on disk, under a name that changes with any file of this package.

    numba compiles a kernel anew when its own file has changed, but not when a kernel of another file has
    that it calls: it would go on with the old one, without a word.
    """
    name = function.__qualname__
    function.__qualname__ = f"{name}-{STAMP}"
    try:
        # Where no folder can be written to (a locked-down container) it starts slower, but is not broken.
        with suppress(RuntimeError):
            compiled.enable_caching()
    finally:
        function.__qualname__ = name
