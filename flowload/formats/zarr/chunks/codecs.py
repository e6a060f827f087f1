"""Decoders that stop: what a chunk holds is known before, and one byte more ends the work.

A few bytes can claim to be, or become, gigabytes. So no decoder here trusts the data for the size of its
output: each is told how much there may be. Every one releases the interpreter's lock.
"""

from __future__ import annotations

import bz2
import ctypes
import gzip
import io
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias, cast

import numpy as np
from zlib_ng import zlib_ng

from flowload.abc.operators import Bytes

__all__ = ["BOUNDED", "DECODERS", "Decode", "decode_gzip", "decode_zstd", "zstd_function"]

Decode: TypeAlias = Callable[[Bytes, Bytes], None]  #: data, and the memory that it must fill
Bounded: TypeAlias = Callable[[Bytes, int, Mapping[str, Any]], Any]  #: data, most bytes, its settings

ZLIB_ERROR = cast("type[Exception]", zlib_ng.error)

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_BLOCK = 1 << 17  #: bytes of a decoded block at most (RFC 8878, 3.1.1.2.3)
LZMA_MEMORY = 1 << 28  #: bytes of a decoder; its highest preset takes a quarter


def decode_zstd(data: Bytes, out: Bytes) -> None:
    """Zstd frames."""
    size = zstd_size(data)
    if size:  # numcodecs takes 0 for a mistake
        check_size(size, len(out))
        through_numcodecs("Zstd", data, out)
    elif (count := write_zstd(data, out)) != len(out):
        raise ValueError(f"{count:,} decoded bytes")


def decode_blosc(data: Bytes, out: Bytes) -> None:
    """One Blosc buffer: its header tells its sizes."""
    check_size(blosc_size(data), len(out))
    through_numcodecs("Blosc", data, out)


def decode_lz4(data: Bytes, out: Bytes) -> None:
    """An LZ4 block behind its size in 4 bytes, as numcodecs writes it."""
    check_size(lz4_size(data), len(out))
    through_numcodecs("LZ4", data, out)


def decode_gzip(data: Bytes, out: Bytes) -> None:
    """A zlib stream, or members of gzip."""
    decode_nothing(inflate(data, len(out), {}), out)


def decode_nothing(data: Any, out: Bytes) -> None:
    """Bytes as they are. Raises ValueError unless there are as many as there must be."""
    made = np.frombuffer(data, np.uint8)
    if len(made) != len(out):
        raise ValueError(f"{len(made):,} decoded bytes")
    out[:] = made


def check_size(claimed: int, wanted: int) -> None:
    """Raise ValueError unless a header tells the size that is wanted."""
    if claimed != wanted:
        raise ValueError(f"{claimed:,} decoded bytes by its header")


def within(claimed: int, limit: int) -> int:
    """A size that a header tells. Raises ValueError where it is above the limit."""
    if claimed > limit:
        raise ValueError(f"{claimed:,} decoded bytes by its header; at most {limit:,} fit")
    return claimed


def inflate(data: Bytes, limit: int, settings: Mapping[str, Any]) -> bytes:  # noqa: ARG001 - of `Bounded`
    """A zlib stream, or members of gzip, of at most so many bytes together. Raises ValueError."""
    stream = zlib_ng.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        made: bytes = stream.decompress(data, limit + 1)
        if len(made) > limit:
            raise ValueError(f"more than {limit:,} decoded bytes")
        if not stream.eof:
            raise ValueError("an end within the stream")
        if len(stream.unused_data) and bytes(data[:2]) == b"\x1f\x8b":
            made += read_stream(gzip.GzipFile(fileobj=io.BytesIO(stream.unused_data)), limit - len(made))
    except (ZLIB_ERROR, zlib.error, EOFError, OSError) as error:
        raise ValueError(str(error)) from error
    return made


def unpack_bz2(data: Bytes, limit: int, settings: Mapping[str, Any]) -> bytes:  # noqa: ARG001 - of `Bounded`
    """Streams of bzip2."""
    try:
        return read_stream(bz2.BZ2File(io.BytesIO(data.tobytes())), limit)
    except (EOFError, OSError) as error:
        raise ValueError(str(error)) from error


def unpack_lzma(data: Bytes, limit: int, settings: Mapping[str, Any]) -> bytes:
    """A stream of xz or lzma, or a raw one; the settings are those of numcodecs."""
    form = settings.get("format", lzma.FORMAT_XZ)
    raw = form == lzma.FORMAT_RAW
    try:
        stream = lzma.LZMADecompressor(
            form, None if raw else LZMA_MEMORY, settings.get("filters") if raw else None
        )
        made = stream.decompress(data.tobytes(), limit + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(str(error)) from error
    if len(made) > limit:
        raise ValueError(f"more than {limit:,} decoded bytes")
    if not stream.eof and not raw:
        raise ValueError("an end within the stream")
    return made


def read_stream(stream: Any, limit: int) -> bytes:
    """All of it. Raises ValueError where that is more than the limit."""
    with stream:
        made: bytes = stream.read(limit + 1)
    if len(made) > limit:
        raise ValueError(f"more than {limit:,} further decoded bytes")
    return made


def unpack_zstd(data: Bytes, limit: int, settings: Mapping[str, Any]) -> Bytes:  # noqa: ARG001 - of `Bounded`
    """Zstd frames."""
    size = zstd_size(data)
    if not size:
        out = np.empty(limit, np.uint8)
        return out[: write_zstd(data, out)].copy()
    out = np.empty(within(size, limit), np.uint8)
    through_numcodecs("Zstd", data, out)
    return out


def unpack_blosc(data: Bytes, limit: int, settings: Mapping[str, Any]) -> Bytes:  # noqa: ARG001 - of `Bounded`
    """One Blosc buffer."""
    out = np.empty(within(blosc_size(data), limit), np.uint8)
    through_numcodecs("Blosc", data, out)
    return out


def unpack_lz4(data: Bytes, limit: int, settings: Mapping[str, Any]) -> Bytes:  # noqa: ARG001 - of `Bounded`
    """An LZ4 block behind its size."""
    out = np.empty(within(lz4_size(data), limit), np.uint8)
    through_numcodecs("LZ4", data, out)
    return out


def blosc_size(data: Bytes) -> int:
    """Decoded bytes of a Blosc buffer by its header."""
    head = data[:16].tobytes()
    if len(head) < 16:
        raise ValueError(f"{len(data)} bytes, which are no Blosc buffer")
    claimed, _, packed = struct.unpack_from("<III", head, 4)
    if packed != len(data):
        raise ValueError(f"{len(data):,} bytes of a Blosc buffer of {packed:,}")
    return int(claimed)


def lz4_size(data: Bytes) -> int:
    """Decoded bytes of an LZ4 block by the 4 bytes before it."""
    if len(data) < 4:
        raise ValueError(f"{len(data)} bytes, which are no LZ4 block")
    return int(struct.unpack_from("<I", data[:4].tobytes())[0])


def zstd_size(data: Bytes) -> int | None:
    """Decoded bytes of a frame by its header (RFC 8878, 3.1.1.1); None where it does not say."""
    head = data[:18].tobytes()
    if len(head) < 6 or not head.startswith(ZSTD_MAGIC):
        raise ValueError(f"{head[:4]!r} at the start, which is no zstd frame")
    flags = head[4]
    width = size_width(flags)
    begin = 5 + (not flags & 0x20) + (0, 1, 2, 4)[flags & 3]
    if width == 0:
        return None
    return int.from_bytes(head[begin : begin + width], "little") + (256 if width == 2 else 0)


def size_width(flags: int) -> int:
    """Bytes of the size in a frame's header, by the header's flags."""
    return (int(bool(flags & 0x20)), 2, 4, 8)[flags >> 6]


def through_numcodecs(name: str, data: Bytes, out: Bytes) -> None:
    """Decode as many bytes as the header tells, with the library that comes with zarr. Raises ValueError."""
    import numcodecs  # noqa: PLC0415 - imports take 50 ms, and not every array is compressed

    try:
        getattr(numcodecs, name)().decode(data, out)
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def write_zstd(data: Bytes, out: Bytes) -> int:
    """Decode a frame that does not tell its size, to memory for the largest that may come; returns bytes.

    numcodecs would make room for whatever comes: 32 KiB of it became 1 GiB, and took twice that.
    """
    decompress = zstd_function()
    if decompress is None:
        return write_zstd_by_its_blocks(data, out)
    count = decompress(out.ctypes.data, len(out), np.ascontiguousarray(data).ctypes.data, len(data))
    if count > len(out):  # an error's number, negative but for its type
        raise ValueError(f"more than {len(out):,} decoded bytes, or damage within the frame")
    return int(count)


@cache
def zstd_function() -> Callable[[int, int, int, int], int] | None:
    """`ZSTD_decompress` of the library in numcodecs; None where the system cannot see it."""
    from numcodecs import zstd  # noqa: PLC0415 - see through_numcodecs

    try:
        function = ctypes.CDLL(zstd.__file__).ZSTD_decompress
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_size_t
    function.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t
    return cast("Callable[[int, int, int, int], int]", function)


def write_zstd_by_its_blocks(data: Bytes, out: Bytes) -> int:
    """The same with numcodecs alone, for frames whose blocks cannot hold far more than there is room for."""
    import numcodecs  # noqa: PLC0415 - see through_numcodecs

    most = zstd_most(data)
    if most > 16 * len(out) + (64 << 20):
        raise ValueError(f"up to {most:,} decoded bytes, more than {len(out):,}")
    try:
        made = np.frombuffer(numcodecs.Zstd().decode(data), np.uint8)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if len(made) > len(out):
        raise ValueError(f"{len(made):,} decoded bytes, more than {len(out):,}")
    out[: len(made)] = made
    return len(made)


def zstd_most(data: Bytes) -> int:
    """Bytes that the blocks of a frame hold at most, by their headers (RFC 8878, 3.1.1.2)."""
    flags = int(data[4])
    at = 5 + (not flags & 0x20) + (0, 1, 2, 4)[flags & 3] + size_width(flags)
    most, last = 0, False
    while not last and at + 3 <= len(data):
        head = int.from_bytes(data[at : at + 3].tobytes(), "little")
        last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        most += ZSTD_BLOCK if kind == 2 else size
        at += 3 + (1 if kind == 1 else size)
    return most


#: By the names of the formats: they fill memory, and raise ValueError unless exactly that comes.
DECODERS: Mapping[str, Decode] = {
    "": decode_nothing,
    "zstd": decode_zstd,
    "blosc": decode_blosc,
    "lz4": decode_lz4,
    "gzip": decode_gzip,
    "zlib": decode_gzip,
}

#: By the names of numcodecs: they give what comes, and raise ValueError where that is more than may come.
BOUNDED: Mapping[str, Bounded] = {
    "zstd": unpack_zstd,
    "blosc": unpack_blosc,
    "lz4": unpack_lz4,
    "gzip": inflate,
    "zlib": inflate,
    "bz2": unpack_bz2,
    "lzma": unpack_lzma,
}
