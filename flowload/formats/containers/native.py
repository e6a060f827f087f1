"""Where the C functions are that kernels call by themselves: zlib-ng's, and the system's `pread`."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from zlib_ng import zlib_ng

from flowload.kernels.chess.unpacking import Functions

__all__ = ["native_functions"]

SERIES = b"2."  #: of zlib-ng, whose stream has fields of the same sizes in the same order


@cache
def native_functions() -> Functions | None:
    """Their addresses; None where the installed zlib-ng hides its own, or the system calls them otherwise.

    The package is one module with the library inside, whose functions most systems can see.
    """
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    try:
        library = ctypes.CDLL(str(Path(zlib_ng.__file__)))
        version = library.zlibng_version
        version.restype = ctypes.c_char_p
        if not (version() or b"").startswith(SERIES):
            return None
        return Functions(
            start=address(library, "zng_inflateInit2"),
            reset=address(library, "zng_inflateReset"),
            inflate=address(library, "zng_inflate"),
            end=address(library, "zng_inflateEnd"),
            pread=address(ctypes.CDLL(None), "pread"),
        )
    except (OSError, AttributeError):  # no such file, no such function
        return None


def address(library: ctypes.CDLL, name: str) -> int:
    """Of a function. Raises AttributeError where there is none."""
    return ctypes.cast(library[name], ctypes.c_void_p).value or 0
