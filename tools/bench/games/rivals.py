"""The same batches by other loaders, from uint8 files: as tutorials have it, and as a careful user has it.

Processes make new memory, which is copied to the reader anyway; threads use theirs again (a ring). What is
marked "our kernel" is no rival, but shows what the loader itself costs.
"""

from __future__ import annotations

from tools.bench.measuring.others import Rival

__all__ = ["RIVALS"]

RIVALS = (
    Rival("DataLoader, by sample", "torch", "rival_torch", "open_samples"),
    Rival("DataLoader, __getitems__", "torch", "rival_torch", "open_fetched"),
    Rival("DataLoader, gather in workers", "torch", "rival_torch", "open_workers"),
    Rival("DataLoader, gather in torch's threads", "torch", "rival_torch", "open_threads"),
    Rival("threads and a queue, ring", "numpy", "rival_threads", "open_threads"),
    Rival("SPDL, gather in threads, ring", "spdl", "rival_spdl", "open_pipeline"),
    Rival("Grain, gather in threads, ring", "grain", "rival_grain", "open_dataset"),
    Rival("SPDL, our kernel, ring", "spdl", "rival_spdl", "open_pipeline_kernel"),
    Rival("Grain, our kernel, ring", "grain", "rival_grain", "open_dataset_kernel"),
)
