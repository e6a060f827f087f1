"""Molecules gathered into padded rows: written once, zeros behind each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.records import WRITTEN, Order
from flowload.kernels._jit import kernel
from flowload.kernels.rows.bijection import write_rows
from flowload.kernels.streaming import fence, stream_bytes
from flowload.kernels.words import clear_bytes, copy_bytes

from .ragged import FAR, Offsets, ask_ahead
from .sound import Atoms, Labels, unsound

__all__ = ["STREAMED", "mark", "pad_at", "pad_batches", "pad_molecules", "take_sizes"]

Rows = NDArray[np.int64]
Packed = tuple[Atoms, Labels, Offsets]

#: Bytes written by a call from which it is better to stream them. Whole buffers of so much might stay in the
#: last cache, were it not for what is read for them: that comes from all over, and pushes them out.
STREAMED = 1 << 18

GROUP = 16  #: molecules that are streamed together: whole lines, whatever they are padded to


@kernel
def pad_molecules(
    packed: Packed,
    rows: Rows,
    order: Order,
    arrays: Atoms,
    targets: Labels,
    sizes: NDArray[np.int32],
    check: bool,
    streamed: bool,
) -> int:
    """Write molecules `rows` to one row each.

    Args:
        packed: packs, labels and offsets; see `sound.find_unsound`.
        rows, order: the molecules, or room for them; see `bijection.write_rows`.
        arrays: (rows, slots), (rows, 3 * slots) and (rows, 3 * slots), C-contiguous; the last is left as it
            is where there are no forces.
        targets: energy and charge (rows,), or nothing, where they are not wanted; without charges they are 0.
        sizes: atoms (rows,).
        check: look at each before it is written, while it is in the cache; else all must be sound, and fit.
        streamed: write past the caches, as is better from `STREAMED` bytes on.

    Returns the atoms of all; -1: one cannot be delivered, and what was written is of no use.
    """
    packs, labels, offsets = packed
    slots, near = arrays[0].shape[1], arrays
    if streamed:  # put together in the first cache, a group at a time
        flat = np.empty((GROUP, 3 * slots), np.float32), np.empty((GROUP, 3 * slots), np.float32)
        near = np.empty((GROUP, slots), np.int32), flat[0], flat[1]
    write_rows(rows, order)
    atoms = 0
    for b in range(-FAR, len(rows)):
        ask_ahead(packs, labels, offsets, rows, b)
        if b < 0:
            continue
        row = rows[b]
        if check and unsound(packs, labels, offsets, row, slots):
            return -1
        begin, sizes[b] = offsets[row], offsets[row + 1] - offsets[row]
        atoms += sizes[b]
        place = b % GROUP if streamed else b
        pad_row(near[0], place, packs[0], begin, sizes[b])
        pad_row(near[1], place, packs[1], 3 * begin, 3 * sizes[b])
        if len(packs[2]):
            pad_row(near[2], place, packs[2], 3 * begin, 3 * sizes[b])
        if len(targets[0]):
            targets[0][b] = labels[0][row]
        if len(targets[1]):
            targets[1][b] = labels[1][row] if len(labels[1]) else 0.0
        if streamed and (place == GROUP - 1 or b == len(rows) - 1):
            stream_group(arrays[0], b - place, near[0], place + 1)
            stream_group(arrays[1], b - place, near[1], place + 1)
            if len(packs[2]):
                stream_group(arrays[2], b - place, near[2], place + 1)
    fence()
    return atoms


@kernel
def pad_batches(
    packed: Packed,
    rows: Rows,
    borders: NDArray[np.int64],
    widths: NDArray[np.int64],
    arrays: Atoms,
    targets: Labels,
    sizes: NDArray[np.int32],
    streamed: bool,
) -> int:
    """Write batches of molecules, padded to `widths`, one behind the other; see `pad_molecules`.

    Args:
        borders: batch k has rows `borders[k]` to `borders[k + 1]`.
        arrays: (slots,), (3 * slots,) and (3 * slots,) of all batches; the last is empty without forces.
        targets, sizes: (rows,).

    Returns the atoms of all; -1: one molecule cannot be delivered, and what was written is of no use.
    """
    atoms = begin = 0
    forces = arrays[2] if len(arrays[2]) else arrays[1]  # or what is not written to
    for k in range(len(widths)):
        first, last = borders[k], borders[k + 1]
        count = last - first
        end = begin + count * widths[k]
        near = (
            arrays[0][begin:end].reshape(count, widths[k]),
            arrays[1][3 * begin : 3 * end].reshape(count, 3 * widths[k]),
            forces[3 * begin : 3 * end].reshape(count, 3 * widths[k]),
        )
        labels = targets[0][first:last], targets[1][first:last]
        found = pad_molecules(
            packed, rows[first:last], WRITTEN, near, labels, sizes[first:last], True, streamed
        )
        if found < 0:
            return -1
        atoms += found
        begin = end
    return atoms


@kernel
def pad_at(
    packed: Packed,
    rows: Rows,
    where: tuple[Rows, Rows, Rows],
    arrays: Atoms,
    targets: Labels,
    sizes: NDArray[np.int32],
    check: bool,
) -> int:
    """Write molecules to places among others, which other folders' molecules have; see `pad_molecules`.

    Args:
        rows: the molecules.
        where: of each, the first of its slots among all, how many they are, and its number among all.
        arrays: (slots,), (3 * slots,) and (3 * slots,) of all; what this folder has not becomes zeros; the
            last is empty where there are no forces.
        targets, sizes: of all molecules; the first two are empty where they are not wanted.

    Returns the atoms of these; -1: one cannot be delivered, and what was written is of no use.
    """
    packs, labels, offsets = packed
    begins, widths, numbers = where
    atoms = 0
    for b in range(-FAR, len(rows)):
        ask_ahead(packs, labels, offsets, rows, b)
        if b < 0:
            continue
        row, to, width = rows[b], begins[b], widths[b]
        if check and unsound(packs, labels, offsets, row, width):
            return -1
        begin, count = offsets[row], offsets[row + 1] - offsets[row]
        atoms += count
        pad_places(arrays[0], to, width, packs[0], begin, count)
        pad_places(arrays[1], 3 * to, 3 * width, packs[1], 3 * begin, 3 * count)
        if len(arrays[2]):
            there = count if len(packs[2]) else 0
            pad_places(arrays[2], 3 * to, 3 * width, packs[2], 3 * begin, 3 * there)
        for k in range(2):
            if len(targets[k]):
                targets[k][numbers[b]] = labels[k][row] if len(labels[k]) else 0.0
        sizes[numbers[b]] = count
    return int(atoms)


@kernel
def pad_places(out: NDArray[Any], to: int, width: int, pack: NDArray[Any], begin: int, count: int) -> None:
    """Write `count` values of 4 bytes, from value `begin` on, to value `to` of `out`; zeros up to `width`."""
    copy_bytes(out, 4 * to, pack, 4 * begin, 4 * count)
    clear_bytes(out, 4 * (to + count), 4 * (width - count))


@kernel
def stream_group(out: NDArray[Any], first: int, near: NDArray[Any], count: int) -> None:
    """Write so many rows of 4-byte values to `out` from row `first` on, past the caches."""
    width = 4 * out.shape[1]
    stream_bytes(out, first * width, near, 0, count * width)


@kernel
def pad_row(out: NDArray[Any], b: int, pack: NDArray[Any], begin: int, count: int) -> None:
    """Write `count` values of 4 bytes to row b of `out`, and zeros behind them.

    A copy and a fill of the library each: loops took three times as long.
    """
    width = 4 * out.shape[1]
    copy_bytes(out, b * width, pack, 4 * begin, 4 * count)
    clear_bytes(out, b * width + 4 * count, width - 4 * count)


@kernel
def take_sizes(offsets: Offsets, rows: Rows, sizes: NDArray[np.int32]) -> None:
    """Write the atoms of each molecule."""
    for b in range(len(rows)):
        sizes[b] = offsets[rows[b] + 1] - offsets[rows[b]]


@kernel
def mark(sizes: NDArray[np.int32], mask: NDArray[np.bool_]) -> None:
    """Write which slots (rows, slots) hold an atom."""
    for b in range(len(sizes)):
        for j in range(mask.shape[1]):
            mask[b, j] = j < sizes[b]
