"""Batches of indices into windows that lie on a device already; neighbours are found there. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flowload.blocks import Batch

from .on_card import wrapped

__all__ = ["OnDevice", "closure"]


def closure(
    indptr: torch.Tensor, indices: torch.Tensor, rows: torch.Tensor, entries: int | None = None
) -> torch.Tensor:
    """Rows of a matrix in compressed rows and the columns of these, sorted, each once: int64 [m].

    Args:
        indptr: (n + 1,) where each row begins.
        indices: columns of all rows.
        rows: those that are wanted.
        entries: how many entries they have, where that is known: else the device is waited for.
    """
    begins = indptr[rows].long()
    counts = indptr[rows + 1].long() - begins
    count = int(counts.sum()) if entries is None else entries
    # Entry j of the result is entry j - (entries of the rows before) of its own row.
    before = torch.repeat_interleave(begins - counts.cumsum(0) + counts, counts, output_size=count)
    columns = indices[before + torch.ones_like(before).cumsum(0) - 1].long()
    found = torch.zeros_like(indptr[1:], dtype=torch.bool)
    found[columns] = True
    found[rows] = True
    return found.nonzero().flatten()


class OnDevice:
    """Makes batches of a window where its tensors are; the graph is copied to each device once.

    Args:
        indptr: of the graph, on the host; None: no graph.
        indices: of it.
    """

    def __init__(self, indptr: NDArray[np.int64] | None, indices: NDArray[np.int32] | None) -> None:
        self.indptr = indptr
        self.indices = indices
        self.graphs: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = {}

    def batch(
        self, window: Batch, index: NDArray[np.int64], rows: NDArray[np.int64] | None, *, more: bool
    ) -> Batch:
        """A batch that shares the window's tensors; made in the stream of copies, which no kernel holds up.

        Args:
            window: of tensors on a device.
            index: of the samples.
            rows: neurons that were chosen; None: no graph.
            more: see `Batch`.
        """
        device = next(value.device for value in tensors_of(window).values())
        with stream_of(device):
            whole = {**window.arrays, **window.whole}
            arrays = {"index": torch.from_numpy(index).to(device)}
            if rows is not None:
                whole["neurons"] = self.neighbours(rows, device)
            made = replace(window, arrays=arrays, whole=whole, more=more)
            ready = wrapped(made)
        assert isinstance(ready, Batch)  # noqa: S101 - it was one
        return ready

    def neighbours(self, rows: NDArray[np.int64], device: torch.device) -> torch.Tensor:
        """The rows and their neighbours, on a device."""
        assert self.indptr is not None  # noqa: S101 - rows are chosen of a graph alone
        assert self.indices is not None  # noqa: S101
        if device not in self.graphs:
            copies = (torch.tensor(array).to(device) for array in (self.indptr, self.indices))
            first, second = copies
            self.graphs[device] = first, second
        entries = int((self.indptr[rows + 1] - self.indptr[rows]).sum())
        return closure(*self.graphs[device], torch.from_numpy(rows).to(device), entries)

    def close(self) -> None:
        """Let go of the graph's copies."""
        self.graphs.clear()


def tensors_of(window: Batch) -> Mapping[str, Any]:
    """Its tensors by name."""
    return {key: value for key, value in window.arrays.items() if isinstance(value, torch.Tensor)}


def stream_of(device: torch.device) -> AbstractContextManager[Any]:
    """The stream of copies to a card; on other devices nothing."""
    if device.type != "cuda":
        return nullcontext()
    from .cuda import copy_stream  # noqa: PLC0415 - only where there is a card

    stream: AbstractContextManager[Any] = torch.cuda.stream(copy_stream(device.index))
    return stream
