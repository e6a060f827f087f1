"""The kernels that batches of molecules call, and the types that they call them with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.records import WRITTEN
from flowload.formats.molecules.sizing.slots import Slots
from flowload.kernels.molecules.count import count_within
from flowload.kernels.molecules.images import count_images
from flowload.kernels.molecules.pad import mark, pad_at, pad_batches, pad_molecules, take_sizes
from flowload.kernels.molecules.ragged import count_places, first_misfit, largest, longest, widths_of
from flowload.kernels.molecules.sound import find_unsound

from .columns.cells import cell_needs
from .columns.gather import column_needs
from .layouts import LAYOUTS, Chosen
from .pairs.rule import PairRule

__all__ = ["table_needs"]


def as_mapped(kind: type[np.generic]) -> NDArray[Any]:
    """An array like one of a file."""
    array = np.empty(2, kind)
    array.flags.writeable = False
    return array


def table_needs(
    layout: str, slots: Slots, rule: PairRule, chosen: Chosen, *, among: bool = False
) -> Iterator[Need]:
    """The kernels that a table calls for batches of a layout; `among`: molecules of other folders."""
    numbers, places, energies = as_mapped(np.int32), as_mapped(np.float32), as_mapped(np.float64)
    atoms, labels, rows = (numbers, places, places), (energies, energies), np.empty(2, np.int64)
    sizes, mask = np.empty(2, np.int32), np.empty((2, 2), np.bool_)
    flat, wide = np.empty(2, np.float32), np.empty((2, 2), np.float32)
    targets, packed = (np.empty(2), np.empty(2)), (atoms, labels, rows)
    yield find_unsound, (atoms, labels, rows, rows, 0, np.empty(2, np.uint8))
    if among:
        yield pad_at, (packed, rows, (rows, rows, rows), (sizes, flat, flat), targets, sizes, True)
    else:
        arrays = sizes.reshape(1, 2), wide, wide
        yield pad_molecules, (packed, rows, WRITTEN, arrays, targets, sizes, True, True)
        if not slots.fixed or rule.pairs == "real":
            yield widths_of, (rows, rows, WRITTEN, rows, rows)
            yield pad_batches, (packed, rows, rows, rows, (sizes, flat, flat), targets, sizes, True)
    yield longest, (rows,)
    yield first_misfit, (rows, sizes, 0)
    yield largest, (rows, rows)
    yield count_places, (rows, rows)
    yield take_sizes, (rows, rows, sizes)
    if LAYOUTS[layout].mask:
        yield mark, (sizes, mask)
    if rule.cutoff is not None and chosen.cells:
        boxes = np.empty((2, 3, 3)), np.empty((2, 3), np.bool_)
        within = 0.0, False
        yield count_images, (places, rows, rows, boxes, within, rows, np.empty(2, np.uint8))
    elif rule.cutoff is not None:
        yield count_within, (places, rows, rows, 0.0, rows, np.empty(2, np.uint8))
    yield from column_needs(chosen.columns, among=among)
    if chosen.cells:
        yield from cell_needs()
    yield from rule.needs(cells=chosen.cells)
