"""Torch: a graph as a data set, and packed chess positions expanded on the device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .torch_dataset import GraphDataset, as_iterable_dataset, only

__all__ = ["GraphDataset", "as_iterable_dataset", "expand_planes", "only"]

PLANES, PACKED, SCALARS = 112, 104, 8
FIRST, SECOND, THIRD, FOURTH, LOWER, RULE50, INVARIANCE, FORMAT = range(SCALARS)  #: of the layout "bits"


def expand_planes(bits: Any, scalars: Any = None) -> torch.Tensor:
    """The input planes [B, 112, 8, 8] float32 of chess positions in layout "bits", made where these are.

    Equal bit for bit to the layouts that hold planes. What the bits mean is said at
    `flowload.formats.lc0_layouts.BITS`.

    Args:
        bits: [B, 104] uint64 (or int64), a tensor or array; or a whole batch, which has the scalars too.
        scalars: [B, 8] uint8, on the same device.

    Raises ValueError for other shapes.
    """
    if isinstance(bits, Mapping):
        bits, scalars = bits["bits"], bits["scalars"]
    bits, scalars = torch.as_tensor(bits), torch.as_tensor(scalars)
    count = len(bits)
    if bits.shape != (count, PACKED) or bits.itemsize != 8 or scalars.shape != (count, SCALARS):
        raise ValueError(
            f"bits are {bits.dtype} {list(bits.shape)} and scalars {scalars.dtype} {list(scalars.shape)}; "
            f"wanted 64-bit words [B, {PACKED}] and bytes [B, {SCALARS}]"
        )
    planes = torch.empty((count, PLANES, 8, 8), dtype=torch.float32, device=bits.device)
    rows = bits.contiguous().reshape(-1).view(torch.uint8).reshape(count, PACKED, 8)
    planes[:, :PACKED] = columns(rows, most_significant_first=True)
    write_last(planes[:, PACKED:], scalars)
    return planes


def columns(rows: torch.Tensor, *, most_significant_first: bool) -> torch.Tensor:
    """The bits of bytes, as one more axis of eight."""
    shifts = torch.arange(8, dtype=torch.uint8, device=rows.device)
    if most_significant_first:
        shifts = shifts.flip(0)
    return (rows.unsqueeze(-1) >> shifts) & 1


def write_last(planes: torch.Tensor, scalars: torch.Tensor) -> None:
    """Planes 104 to 111, in [B, 8, 8, 8], from the scalars of the layout."""
    form = scalars[:, FORMAT]
    first, even = (form == 1)[:, None, None], (form <= 2)[:, None, None]
    values = scalars.to(torch.float32)[:, :, None, None]
    ranks = columns(scalars, most_significant_first=False).to(torch.float32)
    planes.zero_()
    for k, (top, bottom) in enumerate(((FIRST, THIRD), (SECOND, FOURTH))):
        planes[:, k, 0], planes[:, k, 7] = ranks[:, top], ranks[:, bottom]
        planes[:, k] = torch.where(first, values[:, k], planes[:, k])
        planes[:, 2 + k] = torch.where(first, values[:, 2 + k], 0.0)
    planes[:, 4, 7] = ranks[:, LOWER]
    planes[:, 4] = torch.where(even, values[:, LOWER], planes[:, 4])
    # Division of float32 rounds as the kernel's division of float64 that is rounded once more does.
    planes[:, 5] = values[:, RULE50] / torch.where(form <= 3, 99.0, 100.0)[:, None, None]
    planes[:, 6] = ((form >= 132) & (scalars[:, INVARIANCE] >= 128))[:, None, None]
    planes[:, 7] = 1.0
