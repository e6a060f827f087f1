"""The header of a `.npy` file that comes as a stream, such as from an archive: read whatever it claims."""

from __future__ import annotations

import io
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from flowload.errors import DataError
from flowload.files.foreign import foreign

__all__ = ["read_npy_header"]

LONGEST = 10_000  #: bytes of text that numpy evaluates, too: of more it would take too long
LENGTHS = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  #: bytes of the length of the text, by version


def read_npy_header(file: IO[bytes], where: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Dtype, shape, and whether it lies in columns; the data follow in `file`. Raises DataError."""
    with foreign("bad .npy header", where):
        head = file.read(len(npy.MAGIC_PREFIX) + 2)
    version = (head[6], head[7]) if len(head) == len(npy.MAGIC_PREFIX) + 2 else (0, 0)
    if not head.startswith(npy.MAGIC_PREFIX) or version not in LENGTHS:
        raise DataError("bad .npy header", where=where, found=repr(head[:8]), wanted="version 1, 2 or 3")
    with foreign("bad .npy header", where):
        length = file.read(LENGTHS[version])
    size = int.from_bytes(length, "little")
    if len(length) != LENGTHS[version] or size > LONGEST:
        found, wanted = f"a length of {size:,}", f"at most {LONGEST:,} bytes"
        raise DataError("bad .npy header", where=where, found=found, wanted=wanted)
    with foreign("bad .npy header", where):
        text = io.BytesIO(head + length + file.read(size))
        npy.read_magic(text)
        # Versions 2 and 3 differ in the encoding of field names alone.
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(text)
    if min(shape, default=0) < 0:  # numpy takes any whole numbers
        raise DataError("bad .npy header", where=where, found=f"a shape {shape}", wanted="lengths from 0")
    return dtype, shape, fortran and len(shape) > 1
