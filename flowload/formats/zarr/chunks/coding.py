"""How the chunks of an array lie on disk, where we can decode them by ourselves; and who decodes when."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from threading import BoundedSemaphore
from typing import Any, NamedTuple

import numpy as np

from flowload.abc.operators import Bytes
from flowload.cpus import usable_cpus

from .codecs import DECODERS, Decode

__all__ = ["Coding", "check_crc", "coding_of", "decoder"]

CRC = 4  #: bytes of a checksum


class Coding(NamedTuple):
    """The codecs of a chunk: how its bytes on disk become an array."""

    dtype: np.dtype[Any]  #: as stored: in its byte order
    order: str  #: "C" or "F"
    codec: str  #: "" for none
    checked: bool  #: a CRC-32C follows


def coding_of(document: Mapping[str, Any], dtype: np.dtype[Any], codecs: Sequence[Any] = ()) -> Coding | None:
    """How the chunks of an array lie on disk; None where zarr itself must read them.

    Args:
        document: `.zarray` (version 2) or `zarr.json` (version 3), which zarr-python has accepted.
        dtype: of the array.
        codecs: of the chunks inside of shards.
    """
    if document["zarr_format"] == 2:
        codec = (document.get("compressor") or {"id": ""})["id"]
        known = codec in DECODERS and not document.get("filters")
        return Coding(dtype, document.get("order", "C"), codec, checked=False) if known else None
    if document["chunk_grid"]["name"] != "regular":
        return None
    return chain_of(codecs or document["codecs"], dtype)


def chain_of(codecs: Sequence[Any], dtype: np.dtype[Any]) -> Coding | None:
    """The same for codecs of version 3: the bytes, perhaps compressed once, perhaps with a checksum."""
    chain = [codec if isinstance(codec, Mapping) else {"name": codec} for codec in codecs]
    names = [codec["name"] for codec in chain]
    if names[:1] != ["bytes"] or len(names) > 3:
        return None
    settings = chain[0].get("configuration") or {}
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
    """A decoder of chunks that end in their CRC-32C."""

    def __init__(self, decode: Decode) -> None:
        self.decode = decode

    def __call__(self, data: Bytes, out: Bytes) -> None:
        """Check, then decode."""
        check_crc(data)
        self.decode(data[:-CRC], out)


def check_crc(data: Bytes) -> None:
    """Raise ValueError unless bytes end in the CRC-32C of those before, little-endian."""
    import google_crc32c  # noqa: PLC0415 - comes with zarr, which is imported when an array is opened

    if len(data) < CRC:
        raise ValueError(f"{len(data)} bytes, which have no CRC-32C")
    stored = int.from_bytes(data[-CRC:].tobytes(), "little")
    own = google_crc32c.value(data[:-CRC].tobytes())
    if own != stored:
        raise ValueError(f"CRC-32C {own:08x}, not {stored:08x} as stored")
