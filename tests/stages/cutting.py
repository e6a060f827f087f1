"""Blocks cut into batches and encoded, as `batch` does it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st

from flowload.blocks import Batch, Frames
from flowload.stages.batches.arrays.collate import Collate
from flowload.stages.batches.rebatch import Cut, Rebatch
from tests.stages.fakes import FakeCall
from tests.stages.toy import TOY, toy_frames

__all__ = ["SIZES", "arrays_of", "batches_of", "cut", "frames_of"]

SIZES = st.lists(st.integers(0, 12), max_size=8)  #: of blocks


def cut(size: int, *, drop_last: bool = False) -> Rebatch:
    return Rebatch(Cut(size=size, drop_last=drop_last, find=lambda name: {TOY.name: TOY}[name]))


def batches_of(
    blocks: Iterable[Frames | Batch],
    size: int,
    call: FakeCall,
    *,
    drop_last: bool = False,
    layout: str | None = None,
) -> list[Batch]:
    fold, encode = cut(size, drop_last=drop_last), Collate(layout, None)
    pieces = [made for block in blocks for made in fold.push(block, call)]
    made = [encode.batch(piece.parts, call) for piece in [*pieces, *fold.flush(call)]]
    return [batch for batch in made if isinstance(batch, Batch)]


def frames_of(sizes: Sequence[int]) -> list[Frames]:
    return [toy_frames(size, tag=i, chunk=i) for i, size in enumerate(sizes)]


def arrays_of(sizes: Sequence[int]) -> list[Batch]:
    rows = np.cumsum([0, *sizes]).tolist()
    return [
        Batch({"x": (np.arange(a, b)[:, None] + [0, 0.5]).astype(np.float32), "y": np.arange(a, b)})
        for a, b in itertools.pairwise(rows)
    ]
