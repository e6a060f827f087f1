"""lc0 training games, from tar files to tensors on the device; under torchrun, each rank takes its share.

flowload run pipelines/chess.py --data '/data/training-run1-*.tar' --reservoir 500000
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import flowload as fl
from flowload.sample import sample_path

SAMPLE = sample_path("chess")


@fl.pipeline
def chess(
    *,
    data: str | Path | list[str | Path] = SAMPLE,
    batch_size: int = 1024,
    layout: Literal["tensors", "tuple", "bits"] = "tensors",
    device: str = "auto",
    shuffle: bool = True,
    pool: int = 50_000,
    reservoir: int = 20_000,
    rate: float = 1.0,
    follow: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
) -> fl.Graph:
    """Draw the pipeline.

    Args:
        data: Patterns, folders or files, with commas between; without it, the sample that is shipped.
        batch_size: Frames of a batch.
        layout: Arrays of a batch: planes, probabilities and values; the training tuple; packed bits.
        device: Where batches go: auto, cpu, cuda, cuda:1.
        shuffle: Off: frames come in the data's own order, without pool and reservoir.
        pool: Games that are shuffled among each other, by reference: the newest ones.
        reservoir: Frames that are shuffled among each other; 2.1 KB each.
        rate: Share of a game's frames that one use takes; over 1/rate epochs each comes once.
        follow: Go on with files that arrive in the folders later; such a stream does not end.
        on_error: What a bad file or game does: end the run, or be skipped and counted.
    """
    files = fl.discover(data, watch=follow)
    graph = files >> fl.read("lc0", on_error=on_error) >> fl.shard(on_error=on_error)
    if shuffle:
        graph = graph >> fl.shuffle_pool(pool)
    graph = graph >> fl.unpack(rate=rate, on_error=on_error)
    if shuffle:
        graph = graph >> fl.reservoir(reservoir)
    return graph >> fl.batch(batch_size, layout=layout) >> fl.to_device(device)
