"""The header of a `.npy` file or of a member of an archive, read whatever it claims."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, TypeVar

import numpy as np
from numpy.lib import format as npy

from flowload.errors import DataError

from .foreign import foreign

__all__ = ["evaluated", "read_npy_header"]

T = TypeVar("T")

AXES = 64  #: of an array of numpy 2
LARGEST = (1 << 63) - 1  #: length of one; some write thousands of digits, which cannot even be printed
LONGEST = 10_000  #: bytes of text, as numpy has it: evaluating more takes too long
ESCAPES = 10  #: characters that one becomes, at most, when it is escaped
TRIES = 20  #: see `evaluated`
LENGTHS = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  #: bytes of the length of the text, by version


def read_npy_header(file: IO[bytes], where: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Dtype, shape, and whether it lies in columns; the data follow in `file`. Raises DataError."""
    head = read(file, len(npy.MAGIC_PREFIX) + 2, where)
    version = (head[6], head[7]) if len(head) == len(npy.MAGIC_PREFIX) + 2 else (0, 0)
    if not head.startswith(npy.MAGIC_PREFIX) or version not in LENGTHS:
        raise DataError("bad .npy header", where=where, found=repr(head[:8]), wanted="version 1, 2 or 3")
    length = read(file, LENGTHS[version], where)
    size = int.from_bytes(length, "little")
    if len(length) != LENGTHS[version] or size > LONGEST:
        found, wanted = f"a length of {size:,}", f"at most {LONGEST:,} bytes"
        raise DataError("bad .npy header", where=where, found=found, wanted=wanted)
    text = read(file, size, where)
    with foreign("bad .npy header", where):
        # Version 3 is version 2 in UTF-8. numpy reads it, but not by a function of its own; what is not ASCII
        # can only be inside of string literals, where an escape means the same.
        text = text.decode("utf-8" if version == (3, 0) else "latin1").encode("ascii", "backslashreplace")
        again = len(text).to_bytes(4, "little") + text
        shape, fortran, dtype = evaluated(
            lambda: npy.read_array_header_2_0(io.BytesIO(again), max_header_size=ESCAPES * LONGEST)
        )
    if min(shape, default=0) < 0:  # numpy takes any whole numbers
        raise DataError("bad .npy header", where=where, found=f"a shape {shape}", wanted="lengths from 0")
    if len(shape) > AXES or max(shape, default=0) > LARGEST:
        found = f"{len(shape)} axes" if len(shape) > AXES else f"a length of {max(shape).bit_length()} bits"
        wanted = f"at most {AXES} axes, each shorter than 2**63"
        raise DataError("bad .npy header", where=where, found=found, wanted=wanted)
    return dtype, shape, fortran and len(shape) > 1


def evaluated(call: Callable[[], T]) -> T:
    """What a call gives that has numpy evaluate a header, in any thread.

    Pythons before 3.11.8 and 3.12.1 count how deep `ast.parse` is for all threads together (gh-106905), and
    fail with a SystemError in one whose turn came in the midst of another's: about one opened file in
    thousands, while others are opened. What another thread does is over when it is tried again.
    """
    for _ in range(TRIES):
        with suppress(SystemError):
            return call()
    return call()


def read(file: IO[bytes], size: int, where: str) -> bytes:
    """So many bytes, or those that are left."""
    with foreign("bad .npy header", where):
        return file.read(size)
