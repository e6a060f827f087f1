"""Torch: a graph as a data set, checkpoints, and packed chess positions expanded on the device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .torch_checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .torch_dataset import GraphDataset, as_iterable_dataset, only
from .torch_stateful import StreamState, state_of_all_ranks

__all__ = [
    "Checkpoint",
    "GraphDataset",
    "StreamState",
    "as_iterable_dataset",
    "expand_planes",
    "load_checkpoint",
    "only",
    "save_checkpoint",
    "state_of_all_ranks",
]

PLANES, PACKED, SCALARS = 112, 104, 8
FIRST, SECOND, THIRD, FOURTH, LOWER, RULE50, INVARIANCE, FORMAT = range(SCALARS)  #: of the layout "bits"
GUARD = 40  #: bits of a quotient behind the point


def expand_planes(bits: Any, scalars: Any = None) -> torch.Tensor:
    """The input planes [B, 112, 8, 8] float32 of chess positions in layout "bits", made where these are.

    Equal bit for bit to the layouts that hold planes, on any device, whatever torch's default device and
    dtype are, under autocast and in `torch.compile`. What the bits mean is said at
    `flowload.formats.lc0.layouts.BITS`.

    Args:
        bits: [B, 104] uint64 (or int64), a tensor or array; or a whole batch, which has the scalars too.
            An array is on the CPU.
        scalars: [B, 8] uint8, on the same device.

    Raises ValueError for other shapes.

    Examples:
        >>> games = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.unpack()
        >>> def first(layout):
        ...     with (games >> fl.batch(64, layout=layout) >> fl.to_device("cpu")).iterate() as batches:
        ...         return next(batches)
        >>> bool((expand_planes(first("bits")) == first("tensors")["planes"]).all())
        True
    """
    if isinstance(bits, Mapping):
        bits, scalars = bits["bits"], bits["scalars"]
    bits, scalars = in_place(bits), in_place(scalars)
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


def in_place(values: Any) -> torch.Tensor:
    """A tensor as it is, anything else as one on the CPU: never moved to the default device."""
    return values if isinstance(values, torch.Tensor) else torch.as_tensor(values, device="cpu")


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
    planes[:, 5] = quotient(scalars[:, RULE50], form)[:, None, None]
    planes[:, 6] = ((form >= 132) & (scalars[:, INVARIANCE] >= 128))[:, None, None]
    planes[:, 7] = 1.0


def quotient(count: torch.Tensor, form: torch.Tensor) -> torch.Tensor:
    """count / 99 in the first formats, else count / 100, as float32 nearest to it: in integers until the end.

    Compilers for GPUs divide float32 with an error of two units in the last place, and not every device has
    float64. So 40 more bits are divided than the count has, and what remains is kept in the lowest bit:
    turning that into float32 then rounds once, as an exact quotient would be.
    """
    divisor = 100 - (form <= 3).to(torch.int64)
    widened = count.to(torch.int64) << GUARD
    whole = torch.div(widened, divisor, rounding_mode="floor")
    odd = (whole * divisor != widened).to(torch.int64)
    return (whole | odd).to(torch.float32) * 2.0**-GUARD
