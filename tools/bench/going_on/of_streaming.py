"""MosaicML's streaming: MDS shards, `StreamingDataset`, and its loader that counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streaming import MDSWriter, StreamingDataLoader, StreamingDataset
from streaming.base.util import clean_stale_shared_memory

from .setting import Numbers, Place, chained

__all__ = ["open", "write"]


def write(folder: Path, numbers: Numbers, each: int) -> None:
    """Shards of about as many rows."""
    row = 12  # bytes: the number, and where it lies
    with MDSWriter(out=str(folder), columns={"x": "int64"}, size_limit=row * each, exist_ok=True) as out:
        for number in numbers:
            out.write({"x": number})


def open(place: Place, state: Any) -> chained:  # noqa: A001 - what it does
    """With one canonical node: its elastic determinism wants a number that all worlds share."""
    if place.world == 1:
        clean_stale_shared_memory()
    rows = StreamingDataset(
        local=place.folder,
        shuffle=True,
        shuffle_seed=0,
        batch_size=place.share,
        num_canonical_nodes=1,
    )
    loader = StreamingDataLoader(
        rows, batch_size=place.share, num_workers=place.workers, collate_fn=numbers_of
    )
    if state is not None:
        loader.load_state_dict(state["loader"])
    return chained(loader, int, state["epoch"] if state else 0)


def numbers_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch."""
    return {"x": [int(row["x"]) for row in rows]}
