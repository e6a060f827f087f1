"""Decoders of compressed chunks into memory that is already there, each without the interpreter's lock.

Every one is told how many bytes must come, and a chunk that says otherwise is an error: no codec here may
leave part of a buffer as it was.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from threading import BoundedSemaphore
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from zlib_ng import zlib_ng

from flowload.cpus import usable_cpus
from flowload.protocols import Bytes

__all__ = ["DECODERS", "Coding", "coding_of", "decoder"]

Decode: TypeAlias = Callable[[Bytes, Bytes], None]
ZLIB_ERROR = cast("type[Exception]", zlib_ng.error)

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
CRC = 4  #: bytes of a checksum


class Coding(NamedTuple):
    """How a chunk's bytes lie on disk."""

    dtype: np.dtype[Any]  #: as stored: in its byte order
    order: str  #: "C" or "F"
    codec: str  #: "" for none
    checked: bool  #: a CRC-32C follows


def coding_of(metadata: Mapping[str, Any], dtype: np.dtype[Any]) -> Coding | None:
    """How the chunks of an array lie on disk; None where zarr itself must read them.

    Args:
        metadata: as in `.zarray` (version 2) or `zarr.json` (version 3).
        dtype: of the array.
    """
    if metadata["zarr_format"] == 2:
        codec = (metadata.get("compressor") or {"id": ""})["id"]
        known = codec in DECODERS and not metadata.get("filters")
        return Coding(dtype, metadata["order"], codec, checked=False) if known else None
    names = [codec["name"] for codec in metadata["codecs"]]
    if metadata["chunk_grid"]["name"] != "regular" or names[:1] != ["bytes"] or len(names) > 3:
        return None
    settings = metadata["codecs"][0].get("configuration") or {}
    stored = dtype.newbyteorder("<" if settings.get("endian", "little") == "little" else ">")
    rest = names[1:]
    checked = rest[-1:] == ["crc32c"]
    codec = "".join(rest[:-1] if checked else rest)
    known = codec in DECODERS and codec not in ("zlib", "lz4")  # which version 3 does not name so
    return Coding(stored, "C", codec, checked) if known else None


def decoder(coding: Coding) -> Decode:
    """What decodes a chunk; ValueError says what is wrong with one."""
    decode = InTurn(DECODERS[coding.codec]) if coding.codec else DECODERS[""]
    return CheckedCrc(decode) if coding.checked else decode


@cache
def turns() -> BoundedSemaphore:
    """One for each CPU that this process may use."""
    return BoundedSemaphore(usable_cpus())


if hasattr(os, "register_at_fork"):
    # Those that are taken when a process is forked would never be given back in the child.
    os.register_at_fork(after_in_child=turns.cache_clear)


class InTurn:
    """A decoder, by as many threads at a time as there are CPUs.

    More threads than that read, because they wait for disks. But two that decode on one CPU throw each
    other's data out of its cache: four threads on two CPUs took half as long again for the same chunks.
    """

    def __init__(self, decode: Decode) -> None:
        self.decode = decode

    def __call__(self, data: Bytes, out: Bytes) -> None:
        """Wait for a CPU, then decode."""
        with turns():
            self.decode(data, out)


class CheckedCrc:
    """A decoder of chunks that end in their CRC-32C, little-endian."""

    def __init__(self, decode: Decode) -> None:
        import google_crc32c  # noqa: PLC0415 - comes with zarr, which is imported when an array is opened

        self.decode = decode
        self.checksum: Callable[[bytes], int] = google_crc32c.value

    def __call__(self, data: Bytes, out: Bytes) -> None:
        """Check, then decode."""
        if len(data) < CRC:
            raise ValueError(f"{len(data)} bytes, which have no CRC-32C")
        stored = int.from_bytes(data[-CRC:].tobytes(), "little")
        own = self.checksum(data[:-CRC].tobytes())
        if own != stored:
            raise ValueError(f"CRC-32C {own:08x}, not {stored:08x} as stored")
        self.decode(data[:-CRC], out)


def decode_zstd(data: Bytes, out: Bytes) -> None:
    """One zstd frame."""
    through_numcodecs("Zstd", data, out, zstd_size(data))


def decode_blosc(data: Bytes, out: Bytes) -> None:
    """One Blosc buffer: its header tells its sizes."""
    head = data[:16].tobytes()
    if len(head) < 16:
        raise ValueError(f"{len(data)} bytes, which are no Blosc buffer")
    claimed, _, packed = struct.unpack_from("<III", head, 4)
    if packed != len(data):
        raise ValueError(f"{len(data):,} bytes of a Blosc buffer of {packed:,}")
    through_numcodecs("Blosc", data, out, claimed)


def decode_lz4(data: Bytes, out: Bytes) -> None:
    """An LZ4 block behind its size in 4 bytes, as numcodecs writes it."""
    if len(data) < 4:
        raise ValueError(f"{len(data)} bytes, which are no LZ4 block")
    through_numcodecs("LZ4", data, out, struct.unpack_from("<I", data.tobytes())[0])


def through_numcodecs(name: str, data: Bytes, out: Bytes, claimed: int | None) -> None:
    """Decode with the library that comes with zarr; `claimed`: bytes by the header, None: it does not say."""
    import numcodecs  # noqa: PLC0415 - imports take 50 ms, and not every array is compressed

    if claimed is not None and claimed != len(out):
        raise ValueError(f"{claimed:,} decoded bytes by its header")
    try:
        made = getattr(numcodecs, name)().decode(data, out if claimed is not None else None)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if claimed is None:
        copy_exactly(made, out)


def zstd_size(data: Bytes) -> int | None:
    """Decoded bytes of a frame by its header (RFC 8878, 3.1.1.1); None where it does not say."""
    head = data[:18].tobytes()
    if len(head) < 6 or not head.startswith(ZSTD_MAGIC):
        raise ValueError(f"{head[:4]!r} at the start, which is no zstd frame")
    flags = head[4]
    single = bool(flags & 0x20)
    width = (int(single), 2, 4, 8)[flags >> 6]
    begin = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    if width == 0:
        return None
    return int.from_bytes(head[begin : begin + width], "little") + (256 if width == 2 else 0)


def decode_gzip(data: Bytes, out: Bytes) -> None:
    """A gzip or zlib stream."""
    try:
        made = zlib_ng.decompress(data, wbits=zlib.MAX_WBITS | 32, bufsize=len(out) or 1)
    except ZLIB_ERROR as error:
        raise ValueError(str(error)) from error
    copy_exactly(made, out)


def decode_nothing(data: Bytes, out: Bytes) -> None:
    """Bytes as they are."""
    copy_exactly(data, out)


def copy_exactly(made: Any, out: Bytes) -> None:
    """Write what was decoded. Raises ValueError unless it is as long as it must be."""
    decoded = np.frombuffer(made, np.uint8)
    if len(decoded) != len(out):
        raise ValueError(f"{len(decoded):,} decoded bytes")
    out[:] = decoded


DECODERS: Mapping[str, Decode] = {
    "": decode_nothing,
    "zstd": decode_zstd,
    "blosc": decode_blosc,
    "lz4": decode_lz4,
    "gzip": decode_gzip,
    "zlib": decode_gzip,
}
