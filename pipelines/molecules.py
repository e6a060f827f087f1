"""Packed molecules, from a memory-mapped folder to padded tensors on the device; each rank takes its share.

flowload run pipelines/molecules.py --data /data/set --num-atoms 20,40,60 --batch-atoms 4096 --split train
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import flowload as fl
from flowload.formats.molecules import MoleculeSets, PackedMolecules
from flowload.sample import sample_path

SAMPLE = sample_path("molecules")
SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


@fl.pipeline
def molecules(
    *,
    data: str | Path | list[str | Path] = SAMPLE,
    weights: tuple[float, ...] | None = None,
    batch_size: int = 128,
    batch_atoms: int | None = None,
    batch_edges: int | None = None,
    drop_last: bool = False,
    device: str = "auto",
    shuffle: bool = True,
    split: Literal["all", "train", "valid", "test"] = "all",
    split_by: Literal["molecule", "formula", "row"] = "molecule",
    layout: Literal["physnet", "masked"] = "physnet",
    num_atoms: int | tuple[int, ...] | None = None,
    bucket_size: int | None = None,
    shuffle_batches: bool = False,
    pairs: Literal["none", "molecule", "batch", "real"] | None = None,
    cutoff: float | None = None,
    edges: int | tuple[int, ...] | None = None,
    too_many_edges: Literal["raise", "cut"] = "raise",
    half: bool = False,
    select: tuple[str, ...] | None = None,
    too_large: Literal["raise", "drop"] = "raise",
    on_error: Literal["raise", "skip"] = "raise",
) -> fl.Graph:
    """Draw the pipeline.

    Args:
        data: A folder of packed molecules, such as `flowload pack molecules` writes, or several; without it,
            the sample.
        weights: Of several folders: how much of each a pass holds beside the others.
        batch_size: Molecules of a batch.
        batch_atoms: Instead: slots of atoms of a batch; as many molecules as fit, those of one slot together.
        batch_edges: Instead: pairs of atoms of a batch; as many molecules as fit.
        drop_last: Leave out batches that are not full at the end.
        device: Where batches go: auto, cpu, cuda, cuda:1.
        shuffle: Off: molecules come in the data's own order.
        split: Part of the data: 80 % train, 10 % valid, 10 % test, the same in every run.
        split_by: What is never separated: conformations of a molecule, those of its isomers, too, or nothing:
            each row goes by itself.
        layout: Arrays of a batch: those of PhysNet, or with a mask.
        num_atoms: Slots that molecules are padded to; several: each batch to the smallest that holds it;
            none: to the largest of each batch.
        bucket_size: Molecules that are sorted by size, so that batches need less padding; none: no sorting.
        shuffle_batches: Give the batches of a bucket in random order; else the small molecules come first.
        pairs: Pair indices: none, of one molecule, of each of the batch, or of real atoms; by default as the
            layout is published.
        cutoff: Angstrom, with pairs real: only pairs that are closer.
        edges: With pairs real: how many each batch has room for; several: the smallest that holds them.
        too_many_edges: What a batch of more pairs does: end the run, or lose its longest ones, counted.
        half: With pairs real: each pair once, not in both directions.
        select: Arrays that batches have of F, E, Qtot and the folder's columns; none: all.
        too_large: What a molecule of more than num_atoms does: end the run, or be dropped and counted.
        on_error: What a molecule that is not finite does: end the run, or be skipped and counted.
    """
    several = isinstance(data, list)
    folders = [
        PackedMolecules(
            path,
            num_atoms,
            pairs,
            cutoff,
            too_large,
            edges=edges,
            too_many_edges=too_many_edges,
            half=half,
            select=select,
        )
        for path in (data if isinstance(data, list) else [data])
    ]
    graph = fl.rows(MoleculeSets(folders, weights) if several or weights else folders[0])
    if split != "all":
        parts = graph >> fl.split(by=None if split_by == "row" else split_by, **SHARES)
        graph = parts.drop(*(part for part in SHARES if part != split))
    if shuffle:
        graph = graph >> fl.shuffle()
    budget = batch_atoms is not None or batch_edges is not None
    if not budget:
        graph = graph >> fl.shard()
    if bucket_size is not None:
        graph = graph >> fl.bucket(bucket_size, shuffle_batches=shuffle_batches)
    if budget:  # whole batches are dealt
        graph = graph >> fl.shard()
    batch = fl.batch(
        None if budget else batch_size,
        atoms=batch_atoms,
        edges=batch_edges,
        layout=layout,
        drop_last=drop_last,
        on_error=on_error,
    )
    return graph >> batch >> fl.to_device(device)
