"""The same batches by other loaders: as published ones have it, and as a careful user of numpy has it.

Processes make new memory, which is copied to the reader anyway; threads use theirs again (a ring).
"""

from __future__ import annotations

from tools.bench.measuring.others import Rival

__all__ = ["RIVALS"]

RIVALS = (
    Rival("Python loop", "numpy", "plain", "open_loop"),
    Rival("DataLoader, pad-collate", "torch", "rival_torch", "open_loader"),
    Rival("DataLoader, __getitems__", "torch", "rival_torch", "open_fetched"),
    Rival("numpy a batch, one thread, ring", "numpy", "rival_threads", "open_one"),
    Rival("numpy a batch, threads and a queue, ring", "numpy", "rival_threads", "open_threads"),
    Rival("SPDL, numpy a batch, threads, ring", "spdl", "rival_spdl", "open_pipeline"),
    Rival("Grain, numpy a batch, threads, ring", "grain", "rival_grain", "open_dataset"),
)
