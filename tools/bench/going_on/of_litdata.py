"""LitData: optimised chunks, `StreamingDataset` and its loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import litdata

from .setting import Numbers, Place, chained

__all__ = ["open", "write"]


def number_of(number: int) -> int:
    """A sample."""
    return number


def write(folder: Path, numbers: Numbers, each: int) -> None:
    """Chunks of as many rows."""
    litdata.optimize(
        fn=number_of,
        inputs=numbers.tolist(),
        output_dir=str(folder),
        chunk_size=each,
        num_workers=1,
        mode="overwrite",
    )


def open(place: Place, state: Any) -> chained:  # noqa: A001 - what it does
    """All rows, also those of the last batch."""
    rows = litdata.StreamingDataset(place.folder, shuffle=True, drop_last=False)
    loader = litdata.StreamingDataLoader(rows, batch_size=place.share, num_workers=place.workers)
    if state is not None:
        loader.load_state_dict(state["loader"])
    return chained(loader, int, state["epoch"] if state else 0)
