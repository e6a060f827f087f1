"""Rows by reference become the arrays of a batch: one lease, and one kernel that writes every sample once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import cast

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, Device, NamedArrays
from flowload.abc.record_powers import Bulk, Cutting
from flowload.abc.records import Fields, LayoutTable, Numbers
from flowload.blocks import Batch, Item, Rows
from flowload.errors import GraphError
from flowload.files.guard import Guard

from .buffer_layout import batch_bytes, split_lease
from .padding_gauge import PaddingGauge

__all__ = [
    "by_table",
    "check_layout",
    "gathered",
    "gathered_cut",
    "gathered_many",
    "gathered_varied",
    "guard_of",
    "layout_of",
]

UNWATCHED = Guard()  #: of a table that reads no files, or watches them by itself


def by_table(parts: Sequence[Rows]) -> Iterator[tuple[LayoutTable, Numbers]]:
    """Neighbouring parts of the same records as one list of row numbers."""
    if len(parts) == 1:
        yield parts[0].table, parts[0].picks.array()
        return
    for _, group in groupby(parts, key=lambda part: id(part.origin)):
        same = list(group)
        numbers = [part.picks.array() for part in same]
        yield same[0].table, numbers[0] if len(numbers) == 1 else np.concatenate(numbers)


def gathered(
    table: LayoutTable,
    rows: Numbers,
    layout: str | None,
    device: Device | None,
    padding: PaddingGauge,
    call: Call,
) -> Batch | Item | None:
    """The batch of these rows; None when none of them is usable.

    Args:
        layout: a name that the records know; None: their first.
        device: what prepares the memory of batches, such as page-locking.
        padding: counts how much of the batch holds something.
    """
    with guard_of(table):
        rows = table.usable(rows, call)
        if not len(rows):
            return None
        collated = getattr(table, "collated", None)
        if collated is not None:
            made: Batch | Item = collated(rows)
            return made
        name = layout_of(table, layout)
        fields = table.fields(name, rows)
        out = split_lease(call.lease(batch_bytes(fields, len(rows)), device), fields, len(rows))
        whole = table.write(name, rows, out, call)
    padding.count(table, rows, whole)
    return Batch(out, dict(whole))


def gathered_many(
    block: Rows,
    size: int,
    fields: Fields,
    layout: str | None,
    device: Device | None,
    padding: PaddingGauge,
    call: Call,
) -> tuple[NamedArrays, NamedArrays] | None:
    """The arrays of batches of `size` of rows that are `Alike`, one behind the other, and those of each.

    Looks at every row while it writes it. None, or a DataError: one cannot be delivered.
    """
    table, count = cast("Bulk", block.table), len(block)
    out = split_lease(call.lease(batch_bytes(fields, count), device), fields, count)
    with guard_of(table):
        made = table.write_many(layout_of(table, layout), block.picks, size, out, call)
    if made is None:
        return None
    padding.add(made.padding)
    return out, made.whole


def gathered_varied(
    block: Rows, size: int, layout: str | None, device: Device | None, padding: PaddingGauge, call: Call
) -> list[Batch] | None:
    """The batches of `size` of rows that share no shape; None, or a DataError: one cannot be delivered."""
    table = cast("Bulk", block.table)
    lease = partial(call.lease, device=device)
    with guard_of(table):
        made = table.write_varied(layout_of(table, layout), block.picks, size, lease, call)
    if made is None:
        return None
    batches, padded = made
    padding.add(padded)
    return [Batch(dict(arrays), dict(whole), k > 0) for k, (arrays, whole) in enumerate(batches)]


def gathered_cut(
    block: Rows,
    borders: NDArray[np.int64],
    layout: str | None,
    device: Device | None,
    padding: PaddingGauge,
    call: Call,
) -> list[Batch] | None:
    """Batches of any size, between these borders; None, or a DataError: a row cannot be delivered."""
    table = cast("Cutting", block.table)
    lease = partial(call.lease, device=device)
    with guard_of(table):
        made = table.write_cut(layout_of(table, layout), block.picks, borders, lease, call)
    if made is None:
        return None
    batches, padded = made
    padding.add(padded)
    return [Batch(dict(arrays), dict(whole), k > 0) for k, (arrays, whole) in enumerate(batches)]


def guard_of(table: LayoutTable) -> Guard:
    """What watches the files of a table; see `Guarded`."""
    found: Guard = getattr(
        table, "guard", UNWATCHED
    )  # not `isinstance(table, Guarded)`: that takes far longer
    return found


def layout_of(table: LayoutTable, layout: str | None) -> str:
    """The name of a table's layout; None: its first."""
    return check_layout(type(table).__name__, table.layouts, layout)


def check_layout(what: str, known: Sequence[str], layout: str | None) -> str:
    """The name of a layout; None: the first. Raises GraphError that lists the known ones."""
    if layout is None:
        return known[0]
    if layout not in known:
        names = ", ".join(map(repr, known))
        raise GraphError(f"batch: {what} has no layout {layout!r}; it has {names}")
    return layout
