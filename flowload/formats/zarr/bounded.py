"""The codecs of an array that zarr-python decodes, so that none of them makes more of a chunk than it holds.

Imports zarr.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Self, TypeAlias

import numpy as np
from numcodecs.abc import Codec as NumCodec
from zarr.abc.codec import BytesBytesCodec, Codec
from zarr.codecs import ShardingCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata

from flowload.formats.zarr.chunks.codecs import BOUNDED
from flowload.formats.zarr.chunks.reader import SLACK

__all__ = ["bounded"]

Metadata: TypeAlias = ArrayV2Metadata | ArrayV3Metadata

FILTERED = 8  #: times the bytes of a chunk that filters may have made of it, such as one byte of each bit


def bounded(metadata: Metadata, chunk_bytes: int) -> Metadata:
    """The same array, decoded by codecs that stop.

    Args:
        metadata: of the array.
        chunk_bytes: of a decoded chunk.
    """
    if isinstance(metadata, ArrayV3Metadata):
        return replace(metadata, codecs=bounded_chain(metadata.codecs))
    loose = FILTERED * chunk_bytes + SLACK
    filters = metadata.filters and tuple(bounded_old(codec, loose) for codec in metadata.filters)
    own = metadata.compressor and bounded_old(metadata.compressor, loose if filters else chunk_bytes)
    return replace(metadata, compressor=own, filters=filters)


def bounded_old(codec: Any, limit: int) -> Any:
    """A codec of version 2, or one around it."""
    return Bounded(codec, limit) if codec.codec_id in BOUNDED else codec


class Bounded(NumCodec):  # type: ignore[misc]  # numcodecs has no types
    """A codec of numcodecs that decodes to at most so many bytes."""

    codec_id = "bounded"

    def __init__(self, codec: Any, limit: int) -> None:
        self.codec = codec
        self.limit = limit

    def encode(self, buf: Any) -> Any:
        """As the codec does."""
        return self.codec.encode(buf)

    def decode(self, buf: Any, out: Any = None) -> Any:  # noqa: ARG002 - nobody asks for it here
        """Raises ValueError for more than may come."""
        return unpacked(self.codec.codec_id, buf, self.limit, self.codec.get_config())

    def get_config(self) -> dict[str, Any]:
        """Of the codec: what a file would say."""
        return dict(self.codec.get_config())


def unpacked(name: str, data: Any, limit: int, settings: Mapping[str, Any]) -> Any:
    """What a codec makes of bytes. Raises ValueError."""
    return BOUNDED[name](np.frombuffer(data, np.uint8), limit, settings)


def bounded_chain(codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """The codecs of a chunk of version 3: the first to pack bytes was given the chunk, others its result."""
    chain: list[Codec] = []
    exact = True
    for codec in codecs:
        if isinstance(codec, ShardingCodec):
            chain.append(replace_codecs(codec))
        elif isinstance(codec, BytesBytesCodec):
            name = name_of(codec)
            chain.append(BoundedCodec(codec, name, exact) if name in BOUNDED else codec)
            exact = exact and is_fixed(codec)
        else:
            exact = exact and is_fixed(codec)
            chain.append(codec)
    return tuple(chain)


def is_fixed(codec: Codec) -> bool:
    """Whether what a codec makes is as long for any chunk; those of numcodecs do not say so (zarr 3.1)."""
    return bool(getattr(codec, "is_fixed_size", False))


def replace_codecs(codec: ShardingCodec) -> ShardingCodec:
    """Shards whose chunks are decoded so."""
    return ShardingCodec(
        chunk_shape=codec.chunk_shape,
        codecs=bounded_chain(codec.codecs),
        index_codecs=codec.index_codecs,
        index_location=codec.index_location,
    )


def name_of(codec: BytesBytesCodec) -> str:
    """What numcodecs calls it."""
    return str(codec.to_dict().get("name", "")).removeprefix("numcodecs.")


@dataclass(frozen=True)
class BoundedCodec(BytesBytesCodec):
    """A codec that decodes to the bytes of its chunk, or not many more where another has packed it before."""

    codec: BytesBytesCodec
    name: str
    exact: bool

    is_fixed_size = False

    def to_dict(self) -> dict[str, Any]:
        """Of the codec: what a file would say."""
        return dict(self.codec.to_dict())

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """See `Codec`."""
        return replace(self, codec=self.codec.evolve_from_array_spec(array_spec))

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        size = prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        limit = size if self.exact else FILTERED * size + SLACK
        settings = self.to_dict().get("configuration") or {}
        made = await asyncio.to_thread(unpacked, self.name, chunk_data.as_numpy_array(), limit, settings)
        return chunk_spec.prototype.buffer.from_array_like(np.frombuffer(made, np.uint8))

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return await self.codec._encode_single(chunk_data, chunk_spec)  # noqa: SLF001 - one of its kind

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """See `Codec`."""
        return self.codec.compute_encoded_size(input_byte_length, chunk_spec)
