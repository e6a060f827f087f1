"""Packed molecules, from a memory-mapped folder to padded tensors on the device; each rank takes its share.

flowload run pipelines/molecules.py --data /data/molecules --num-atoms 60 --bucket-size 4096 --split train
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import flowload as fl
from flowload.formats.molecules.packed import PackedMolecules
from flowload.sample import sample_path

SAMPLE = sample_path("molecules")
SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


@fl.pipeline
def molecules(
    *,
    data: str | Path = SAMPLE,
    batch_size: int = 128,
    device: str = "auto",
    shuffle: bool = True,
    split: Literal["all", "train", "valid", "test"] = "all",
    split_by: Literal["molecule", "row"] = "molecule",
    layout: Literal["physnet", "masked"] = "physnet",
    num_atoms: int | None = None,
    bucket_size: int | None = None,
    pairs: Literal["none", "molecule", "batch", "real"] | None = None,
    cutoff: float | None = None,
    too_large: Literal["raise", "drop"] = "raise",
    on_error: Literal["raise", "skip"] = "raise",
) -> fl.Graph:
    """Draw the pipeline.

    Args:
        data: A folder of packed molecules, such as `flowload pack molecules` writes; without it, the sample.
        batch_size: Molecules of a batch.
        device: Where batches go: auto, cpu, cuda, cuda:1.
        shuffle: Off: molecules come in the data's own order.
        split: Part of the data: 80 % train, 10 % valid, 10 % test, the same in every run.
        split_by: What is never separated: conformations of a molecule, or nothing: each row goes by itself.
        layout: Arrays of a batch: those of PhysNet, or with a mask.
        num_atoms: Slots that molecules are padded to; none: the largest of each batch.
        bucket_size: Molecules that are sorted by size, so that batches need less padding; none: no sorting.
        pairs: Pair indices: none, of one molecule, of each of the batch, or of real atoms; by default as the
            layout is published.
        cutoff: Angstrom, with pairs real: only pairs that are closer.
        too_large: What a molecule of more than num_atoms does: end the run, or be dropped and counted.
        on_error: What a molecule that is not finite does: end the run, or be skipped and counted.
    """
    graph = fl.rows(PackedMolecules(data, num_atoms, pairs, cutoff, too_large))
    if split != "all":
        parts = graph >> fl.split(by=None if split_by == "row" else split_by, **SHARES)
        graph = parts.drop(*(part for part in SHARES if part != split))
    if shuffle:
        graph = graph >> fl.shuffle()
    graph = graph >> fl.shard()
    if bucket_size is not None:
        graph = graph >> fl.bucket(bucket_size)
    return graph >> fl.batch(batch_size, layout=layout, on_error=on_error) >> fl.to_device(device)
