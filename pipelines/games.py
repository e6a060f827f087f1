"""Games of Yolah, from files of moves to positions on the device; under torchrun, each rank takes its share.

flowload run pipelines/games.py --data /data/yolah --split train --batch-size 16384
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import flowload as fl
from flowload.formats.games.cache import Games
from flowload.sample import sample_path

SAMPLE = sample_path("games")
SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


@fl.pipeline
def games(
    *,
    data: str | Path | list[str | Path] = SAMPLE,
    batch_size: int = 4096,
    device: str = "auto",
    shuffle: bool = True,
    split: Literal["all", "train", "valid", "test"] = "all",
    split_by: Literal["game", "row"] = "game",
    packing: Literal["bits", "uint8", "float32"] = "bits",
    packed: str | Path | None = None,
) -> fl.Graph:
    """Draw the pipeline.

    Args:
        data: Files, folders or patterns, with commas between, of games; or what is packed already; without
            it, the sample that is shipped.
        batch_size: Positions of a batch.
        device: Where batches go: auto, cpu, cuda, cuda:1.
        shuffle: Off: positions come in the data's own order.
        split: Part of the data: 80 % train, 10 % valid, 10 % test, the same in every run.
        split_by: What is never separated: game, or row, for packed data that do not say which game it is of.
        packing: How games are packed, by the first run that needs it: 32, 194 or 780 bytes a position.
        packed: Folder for packed games; none: .flowload beside the data, or the user's cache.
    """
    graph = fl.rows(Games(tuple(data) if isinstance(data, list) else data, packed, packing))
    if split != "all":
        parts = graph >> fl.split(by=None if split_by == "row" else split_by, **SHARES)
        graph = parts.drop(*(part for part in SHARES if part != split))
    if shuffle:
        graph = graph >> fl.shuffle()
    return graph >> fl.shard() >> fl.batch(batch_size) >> fl.to_device(device)
