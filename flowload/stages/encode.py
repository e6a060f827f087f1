"""Records by reference become the arrays of a batch, in one leased buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.blocks import Batch, Frames, Rows, check_rows
from flowload.errors import DataError, GraphError
from flowload.protocols import Call, ChunkFormat, Device, Layout
from flowload.records import Fields

from .fields import batch_bytes, split_lease
from .gathering import by_table, gathered
from .padding import Padding

__all__ = ["Encode", "Part", "Pieces", "find_layout"]

Part: TypeAlias = Frames | Batch | Rows


@dataclass(frozen=True, slots=True)
class Pieces:
    """The rows of one batch, still where they came."""

    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def nbytes(self) -> int:
        """Of the rows."""
        return sum(part.nbytes for part in self.parts)


class Encode:
    """A map: one lease a batch, and every record written to it once.

    Args:
        layout: name of the format's layout; None: its first.
        device: what prepares the memory of batches, such as page-locking.
    """

    def __init__(self, layout: str | None, device: Device | None) -> None:
        self.layout = layout
        self.device = device
        self.padding = Padding()

    def gauges(self) -> Mapping[str, float]:
        """How much of its batches holds something, where rows are padded."""
        return self.padding.gauges()

    def apply(self, block: Pieces, call: Call) -> Batch | None:
        """The arrays of a batch. Raises DataError where its parts do not go together."""
        rows = [part for part in block.parts if isinstance(part, Rows)]
        if not rows:
            return self.joined([part for part in block.parts if not isinstance(part, Rows)], call)
        made = [
            gathered(table, numbers, self.layout, self.device, self.padding, call)
            for table, numbers in by_table(rows)
        ]
        batches = [batch for batch in made if batch is not None]
        return batches[0] if len(batches) == 1 else self.joined(batches, call) if batches else None

    def joined(self, parts: Sequence[Frames | Batch], call: Call) -> Batch:
        """Records or arrays as one batch; a batch that is one already stays it."""
        first = parts[0]
        for part in parts if len(parts) > 1 else ():
            if isinstance(part, Batch):
                check_rows(part)
        if len(parts) == 1 and isinstance(first, Batch) and self.device is None:
            return first  # its arrays are a batch already
        fields = self.fields(first)
        size = sum(map(len, parts))
        out = split_lease(call.lease(batch_bytes(fields, size), self.device), fields, size)
        start = 0
        for part in parts:
            self.check(part, first, fields)
            self.write(part, out, start)
            start += len(part)
        return Batch(out)

    def fields(self, part: Frames | Batch) -> Fields:
        """What the batch of a block consists of."""
        if isinstance(part, Frames):
            return find_layout(part.format, self.layout).fields()
        arrays = {key: np.asarray(array) for key, array in part.arrays.items()}
        return {key: (array.shape[1:], array.dtype) for key, array in arrays.items()}

    def check(self, part: Frames | Batch, first: Frames | Batch, fields: Fields) -> None:
        """Raise DataError unless a part has the fields of the first."""
        if isinstance(part, Frames) and isinstance(first, Frames) and part.format is first.format:
            return
        own = self.fields(part)
        if own != fields:
            where = part.sources[0].path if isinstance(part, Frames) and part.sources else "batch"
            raise DataError("unlike samples", where=where, found=in_words(own), wanted=in_words(fields))

    def write(self, part: Frames | Batch, out: dict[str, NDArray[Any]], start: int) -> None:
        """Write one part from row `start` on."""
        if isinstance(part, Frames):
            find_layout(part.format, self.layout).encode(part.data, out, start)
            return
        for key, array in part.arrays.items():
            np.copyto(out[key][start : start + len(part)], np.asarray(array))


def find_layout(format: ChunkFormat, name: str | None) -> Layout:  # noqa: A002 - the house's word for it
    """A layout of a format by its name; None: the first. Raises GraphError that lists the known ones."""
    if name is None:
        return next(iter(format.layouts.values()))
    if name not in format.layouts:
        known = ", ".join(map(repr, format.layouts))
        raise GraphError(f"batch: {format.name} has no layout {name!r}; it has {known}")
    return format.layouts[name]


def in_words(fields: Fields) -> str:
    """Fields for messages."""
    return ", ".join(f"{key} {dtype}{list(shape)}" for key, (shape, dtype) in fields.items())
