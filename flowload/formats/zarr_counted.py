"""A zarr store that counts the chunks that it was asked for and does not have. Imports zarr."""

from __future__ import annotations

from typing import TypeVar

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

__all__ = ["CountedStore"]

AnyStore = TypeVar("AnyStore", bound=Store)

METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


class CountedStore(WrapperStore[AnyStore]):
    """`missing` rises in the one thread of zarr's event loop."""

    missing = 0

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """See `Store.get`."""
        found = await super().get(key, prototype, byte_range)
        if found is None and not key.endswith(METADATA):
            self.missing += 1
        return found
