"""Records by reference become the arrays of a batch, in one leased buffer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import ChunkFormat, Layout
from flowload.abc.operators import Call, Device
from flowload.abc.record_powers import Bulk
from flowload.abc.records import Fields
from flowload.blocks import Batch, Bundle, Frames, Item, Rows, check_rows
from flowload.errors import DataError, GraphError
from flowload.stages.batches.bundle import bundle, how_many

from .buffer_layout import batch_bytes, split_lease
from .gather import by_table, gathered, gathered_many, gathered_varied, layout_of
from .padding_gauge import PaddingGauge
from .travelling import travelling

__all__ = ["BatchParts", "Collate", "Part", "cut_out", "find_layout"]

Part: TypeAlias = Frames | Batch | Rows


@dataclass(frozen=True, slots=True)
class BatchParts:
    """The rows of one batch, still where they came; or those of several batches of `size`, in one part."""

    parts: tuple[Part, ...]
    size: int | None = None
    rows: int = field(init=False)  #: of all parts
    nbytes: int = field(init=False)  #: of the rows

    def __post_init__(self) -> None:
        # Once: the runtime asks often.
        object.__setattr__(self, "rows", sum(map(len, self.parts)))
        object.__setattr__(self, "nbytes", sum(part.nbytes for part in self.parts))

    def __len__(self) -> int:
        return self.rows

    def travel(self) -> BatchParts:
        """The same for another process, where it is one block of records, and names no others' files."""
        return BatchParts(travelling(self.parts), self.size)

    def batch_sizes(self) -> Sequence[int]:
        """See `Divisible`."""
        return (self.rows,) if self.size is None else (self.size,) * (self.rows // self.size)

    def without(self, batches: int) -> BatchParts:
        """See `Divisible`."""
        assert self.size is not None  # noqa: S101 - there are several
        left = self.rows - batches * self.size
        parts = tuple(cut_out(self.parts, self.rows - left, self.rows))
        return BatchParts(parts, self.size if left > self.size else None)


def cut_out(parts: Iterable[Part], first: int, end: int) -> Iterator[Part]:
    """The samples from `first` to below `end` of neighbouring parts."""
    for part in parts:
        begin, stop = max(first, 0), min(end, len(part))
        if begin < stop:
            yield part if stop - begin == len(part) else part.select(slice(begin, stop))
        first, end = first - len(part), end - len(part)


class Collate:
    """A map: one lease a batch, and every record written to it once.

    Args:
        layout: name of the format's layout; None: its first.
        device: what prepares the memory of batches, such as page-locking.
        padding: counts how much of padded batches holds something.
    """

    def __init__(
        self, layout: str | None, device: Device | None, padding: PaddingGauge | None = None
    ) -> None:
        self.layout = layout
        self.device = device
        self.padding = PaddingGauge() if padding is None else padding
        self.known: tuple[object, Fields | None] = (None, None)  # what was asked for last, and its fields
        self.bulk: tuple[object, Bulk | None] = (None, None)  # a table, and whether it is one

    def gauges(self) -> Mapping[str, float]:
        """How much of its batches holds something, where rows are padded."""
        return self.padding.gauges()

    def together(self, part: Part, size: int) -> int:
        """How many batches of `size` of these rows are made at once, and go on as one block."""
        if isinstance(part, Batch):  # not kept: it may be somebody's last
            alone = part.whole or lies_elsewhere(part)
            return 1 if alone else how_many(batch_bytes(self.fields_of(part), size), swift=False)
        fields, beside = self.fields(part), 0
        swift = isinstance(part, Rows) and getattr(part.table, "swift", False)
        if fields is None and isinstance(part, Rows):
            if self.bulk[0] is not part.table:
                self.bulk = part.table, part.table if isinstance(part.table, Bulk) else None
            if (bulk := self.bulk[1]) is not None:
                fields, beside = bulk.most(layout_of(part.table, self.layout), size)
        return 1 if fields is None else how_many(batch_bytes(fields, size) + beside, swift=swift)

    def apply(self, block: BatchParts, call: Call) -> Batch | Bundle | Item | None:
        """The arrays of a batch, or of several. Raises DataError where its parts do not go together."""
        if block.size is None:
            return self.batch(block.parts, call)
        (part,) = block.parts
        made = self.at_once(part, block.size, call)
        if made is not None:
            return bundle(made[0], block.size, made[1])
        batches = self.varied(part, block.size, call) or self.one_by_one(part, block.size, call)
        return Bundle.of(batches) or None

    def at_once(
        self, part: Part, size: int, call: Call
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """The arrays of all batches of a part, and those of each of them; None: some of it is bad."""
        try:
            if not isinstance(part, Rows):
                return self.joined([part], call).arrays, {}
            if (fields := self.fields(part)) is not None:
                return gathered_many(part, size, fields, self.layout, self.device, self.padding, call)
        except DataError:  # not `suppress`: this is called for every batch
            return None
        return None

    def varied(self, part: Part, size: int, call: Call) -> list[Batch] | None:
        """The batches of rows that share no shape, by one call; None if one of the rows is bad."""
        if not isinstance(part, Rows) or self.fields(part) is not None:
            return None
        try:
            return gathered_varied(part, size, self.layout, self.device, self.padding, call)
        except DataError:
            return None

    def one_by_one(self, part: Part, size: int, call: Call) -> Iterator[Batch | Item]:
        """The batches of a part, without those that are bad."""
        made = 0
        for begin in range(0, len(part), size):
            piece = part.select(slice(begin, begin + size))
            try:
                batch = self.batch((piece,), call)
            except DataError as error:
                call.reject(error, len(piece))
                continue
            if batch is not None:
                yield replace(batch, more=made > 0) if isinstance(batch, Batch) else batch
                made += 1

    def batch(self, parts: Sequence[Part], call: Call) -> Batch | Item | None:
        """One batch of all."""
        if len(parts) == 1 and isinstance(parts[0], Rows):
            written = self.at_once(parts[0], len(parts[0]), call)
            if written is not None:
                return Batch(dict(written[0]), dict(written[1]))
        rows = [part for part in parts if isinstance(part, Rows)]
        if not rows:
            return self.joined([part for part in parts if not isinstance(part, Rows)], call)
        made = [
            gathered(table, numbers, self.layout, self.device, self.padding, call)
            for table, numbers in by_table(rows)
        ]
        found = [batch for batch in made if batch is not None]
        if len(found) == 1:
            return found[0]
        batches = [batch for batch in found if isinstance(batch, Batch)]
        if len(batches) < len(found):
            raise GraphError("batch: what collate= makes cannot be joined with rows of other records")
        return self.joined(batches, call) if batches else None

    def joined(self, parts: Sequence[Frames | Batch], call: Call) -> Batch:
        """Records or arrays as one batch; a batch that is one already stays it."""
        first = parts[0]
        for part in parts if len(parts) > 1 else ():
            if isinstance(part, Batch):
                check_rows(part)
        elsewhere = any(isinstance(part, Batch) and lies_elsewhere(part) for part in parts)
        if len(parts) == 1 and isinstance(first, Batch) and (self.device is None or elsewhere):
            return first  # its arrays are a batch already
        fields = self.fields_of(first)
        if elsewhere:
            from flowload.stages.device.on_card import joined  # noqa: PLC0415 - imports torch

            batches = [part for part in parts if isinstance(part, Batch)]
            for part in batches:
                self.check(part, first, fields)
            return joined(batches)
        size = sum(map(len, parts))
        out = split_lease(call.lease(batch_bytes(fields, size), self.device), fields, size)
        start = 0
        for part in parts:
            self.check(part, first, fields)
            self.write(part, out, start)
            start += len(part)
        return Batch(out)

    def fields(self, part: Frames | Rows) -> Fields | None:
        """What a batch of these rows consists of; None where that depends on which are in it."""
        source = part.table if isinstance(part, Rows) else part.format
        known, fields = self.known
        if known is not source:
            fields = self.fixed_fields(part)
            self.known = source, fields
        return fields

    def fixed_fields(self, part: Frames | Rows) -> Fields | None:
        """Compute the fields of a batch of this part, without looking into the cache."""
        if isinstance(part, Frames):
            return self.fields_of(part)
        layout = layout_of(part.table, self.layout)
        if not isinstance(part.table, Bulk) or not part.table.alike(layout):
            return None
        return part.table.fields(layout, np.empty(0, np.int64))

    def fields_of(self, part: Frames | Batch) -> Fields:
        """What the batch of a block consists of."""
        if isinstance(part, Frames):
            return find_layout(part.format, self.layout).fields()
        if lies_elsewhere(part):  # numpy cannot look there
            return {key: (tuple(array.shape[1:]), dtype_of(array)) for key, array in part.arrays.items()}
        arrays = {key: np.asarray(array) for key, array in part.arrays.items()}
        return {key: (array.shape[1:], array.dtype) for key, array in arrays.items()}

    def check(self, part: Frames | Batch, first: Frames | Batch, fields: Fields) -> None:
        """Raise DataError unless a part has the fields of the first."""
        if isinstance(part, Frames) and isinstance(first, Frames) and part.format is first.format:
            return
        own = self.fields_of(part)
        if own != fields:
            raise unlike(part, own, fields)

    def misfit(self, part: Part, first: Part) -> DataError | None:
        """Why samples cannot be in one batch with others; None: they can, or nobody knows yet."""
        if isinstance(part, Rows) or isinstance(first, Rows):
            if isinstance(part, Rows) and isinstance(first, Rows) and part.origin is first.origin:
                return None
        elif isinstance(part, Frames) and isinstance(first, Frames) and part.format is first.format:
            return None
        own, wanted = (
            self.fields_of(p) if isinstance(p, Batch) else self.fixed_fields(p) for p in (part, first)
        )
        return None if own is None or wanted is None or own == wanted else unlike(part, own, wanted)

    def write(self, part: Frames | Batch, out: dict[str, NDArray[Any]], start: int) -> None:
        """Write one part from row `start` on."""
        if isinstance(part, Frames):
            find_layout(part.format, self.layout).encode(part.data, out, start)
            return
        for key, array in part.arrays.items():
            np.copyto(out[key][start : start + len(part)], np.asarray(array))


def lies_elsewhere(batch: Batch) -> bool:
    """Whether arrays of a batch are tensors on a device: they are not brought home to be cut anew."""
    return any(str(getattr(array, "device", "cpu")) != "cpu" for array in batch.arrays.values())


def dtype_of(array: Any) -> np.dtype[Any]:
    """The dtype of a tensor, as numpy says it; torch's own where numpy has none, such as bfloat16."""
    try:
        return np.dtype(str(array.dtype).removeprefix("torch."))
    except TypeError:
        dtype: np.dtype[Any] = array.dtype
        return dtype


def find_layout(format: ChunkFormat, name: str | None) -> Layout:  # noqa: A002 - the house's word for it
    """A layout of a format by its name; None: the first. Raises GraphError that lists the known ones."""
    if name is None:
        return next(iter(format.layouts.values()))
    if name not in format.layouts:
        known = ", ".join(map(repr, format.layouts))
        raise GraphError(f"batch: {format.name} has no layout {name!r}; it has {known}")
    return format.layouts[name]


def unlike(part: Part, own: Fields, wanted: Fields) -> DataError:
    """The error for samples that have other arrays than those they come together with."""
    where = part.sources[0].path if isinstance(part, Frames) and part.sources else "batch"
    return DataError("unlike samples", where=where, found=in_words(own), wanted=in_words(wanted))


def in_words(fields: Fields) -> str:
    """Fields for messages."""
    return ", ".join(f"{key} {dtype}{list(shape)}" for key, (shape, dtype) in fields.items())
