"""What goes with random windows of a recording: how many make an epoch, and batches inside a window."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from flowload.stages.device.neighbours import closure
from flowload.stages.windows.epoch_plan import epoch_plan

__all__ = ["calculate_chunk_params", "sample_batch_within_chunk"]


def calculate_chunk_params(
    total_timesteps: int, chunk_size: int, batch_size: int, data_passes_per_epoch: int
) -> tuple[int, int, int]:
    """Chunks an epoch, batches a chunk, and batches an epoch; stands for `fl.epoch_plan`.

    Batches an epoch are `(total_timesteps // batch_size) * data_passes_per_epoch`, batches a chunk
    `chunk_size // batch_size`; a recording that is shorter than a chunk is one chunk a pass.

    Raises ValueError that says which number to change where there would be nothing.

    Examples:
        >>> calculate_chunk_params(967_680, 65_536, 256, 1)
        (14, 256, 3780)
    """
    plan = epoch_plan(total_timesteps, chunk_size, batch_size, data_passes_per_epoch)
    return plan.chunks_per_epoch, plan.batches_per_chunk, plan.batches_per_epoch


def sample_batch_within_chunk(
    chunk_data: Tensor,
    chunk_stim: Tensor | None,  # noqa: ARG001 - scripts pass it; indices are the same for both
    wmat_indices: Any,
    wmat_indptr: Any,
    batch_size: int,
    total_steps: int,
    num_neurons_to_zero: int,
    device: str | torch.device,
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw a batch inside a chunk: rows, neurons, and the neurons that those need; all int64 on the device.

    Draws from torch's generator of the device, so `torch.manual_seed` makes it repeatable. Stands for
    `fl.sample_within(batch_size, total_steps, neurons=num_neurons_to_zero, graph=(indptr, indices))`.

    Args:
        chunk_data: (rows, neurons).
        chunk_stim: not looked at.
        wmat_indices: columns of a CSR matrix of the neurons, whose rows are targets.
        wmat_indptr: where its rows begin: one more than there are neurons.
        batch_size: rows that are drawn, uniform on 0 ... rows - total_steps - 1, so that row t + total_steps
            is inside.
        total_steps: see there.
        num_neurons_to_zero: neurons that are drawn, each at most once; 0: none, and none are needed.
        device: where the results go.

    Returns `(batch_indices [batch_size], selected_neurons [n], needed_indices [m])`; the last are the
    selected neurons and the columns of their rows, sorted, each once. Raises ValueError.

    Examples:
        >>> wmat = torch.tensor([1, 0]), torch.tensor([0, 1, 2])
        >>> rows, chosen, needed = sample_batch_within_chunk(torch.zeros(8, 2), None, *wmat, 4, 3, 1, "cpu")
    """
    rows, neurons = chunk_data.shape[:2]
    if not 0 <= total_steps < rows:
        raise ValueError(
            f"total_steps is {total_steps:,}; wanted 0 to {rows - 1:,}: the chunk has {rows:,} rows"
        )
    if not 0 <= num_neurons_to_zero <= neurons:
        raise ValueError(f"num_neurons_to_zero is {num_neurons_to_zero:,}; wanted 0 to {neurons:,}")
    batch_indices = torch.randint(rows - total_steps, (batch_size,), device=device)
    if num_neurons_to_zero == 0:
        none = torch.empty(0, dtype=torch.long, device=device)
        return batch_indices, none, none.clone()
    indptr = torch.as_tensor(wmat_indptr, dtype=torch.long, device=device)
    if len(indptr) != neurons + 1:
        raise ValueError(
            f"wmat_indptr has {len(indptr):,} entries; wanted {neurons + 1:,}: one more than neurons"
        )
    selected = torch.randperm(neurons, device=device)[:num_neurons_to_zero]
    columns = torch.as_tensor(wmat_indices, dtype=torch.long, device=device)
    return batch_indices, selected, closure(indptr, columns, selected)
