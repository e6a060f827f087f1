"""How much a chunk will give, for who deals chunks to ranks and lanes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Setting
from flowload.blocks import Chunks
from flowload.stages.chunks.partition import Weigh

__all__ = ["weigher"]


def weigher(setting: Setting) -> Weigh:
    """Samples that chunk uses will give, as the first stage below that samples says; else records."""
    for stage in setting.downstream:
        taken = getattr(stage, "taken", None)
        if callable(taken):
            return lambda chunks: capped(taken(chunks, setting.seed), chunks)
    return lambda chunks: capped(known_records(chunks), chunks)


def capped(weights: NDArray[np.int64], chunks: Chunks) -> NDArray[np.int64]:
    """Weights, none above the cap of its own chunk."""
    caps = chunks.table["cap"].astype(np.int64)
    return np.where(caps < 0, weights, np.minimum(weights, caps))


def known_records(chunks: Chunks) -> NDArray[np.int64]:
    """Records of each chunk; 1 where the index does not say."""
    records = chunks.table["records"].astype(np.int64)
    return np.where(records < 0, 1, records)
