"""`fl.epoch_plan`: how many windows and batches make an epoch of a recording."""

from __future__ import annotations

from typing import NamedTuple

from flowload.abc.stage import check_counts
from flowload.errors import GraphError
from flowload.graph.keywords import names_keywords

__all__ = ["EpochPlan", "epoch_plan"]


class EpochPlan(NamedTuple):
    """What an epoch consists of.

    Examples:
        >>> plan = fl.epoch_plan(rows=1536, size=512, batch=64)
        >>> plan.batches_per_epoch, plan.chunks_per_epoch
        (24, 3)
    """

    batches_per_epoch: int
    chunks_per_epoch: int  #: windows: `windows(count=...)`
    batches_per_chunk: int  #: `sample_within(..., per_window=...)`


@names_keywords
def epoch_plan(rows: int, size: int, batch: int, passes: int = 1) -> EpochPlan:
    """The arithmetic of an epoch.

    Batches: (rows // batch) * passes. A window makes size // batch of them, so that many windows are read as
    make up the epoch; a recording that is shorter than a window is one window a pass, of rows // batch
    batches.

    Args:
        rows: of the recording.
        size: rows of a window.
        batch: samples of a batch.
        passes: how often each row is used, on average, as the start of a sample.

    Raises GraphError that says which number to change where there would be nothing.

    Examples:
        >>> fl.epoch_plan(rows=967_680, size=65_536, batch=256)
        EpochPlan(batches_per_epoch=3780, chunks_per_epoch=14, batches_per_chunk=256)
    """
    check_counts("epoch_plan", rows=rows, size=size, batch=batch, passes=passes)
    if batch > rows:
        raise GraphError(
            f"epoch_plan: batch is {batch:,}, more than the recording's {rows:,} rows: no batch at all; "
            f"lower batch to at most {min(rows, size):,}"
        )
    if rows < size:
        return EpochPlan((rows // batch) * passes, passes, rows // batch)
    if batch > size:
        raise GraphError(
            f"epoch_plan: batch is {batch:,}, more than the {size:,} rows of a window: no batch of a window; "
            f"raise size to at least {batch:,}, or lower batch"
        )
    batches = (rows // batch) * passes
    per_chunk = size // batch
    if batches < per_chunk:
        raise GraphError(
            f"epoch_plan: an epoch of {batches:,} batches is less than the {per_chunk:,} of one window: no "
            f"window at all; raise passes to at least {-(-per_chunk // (rows // batch)):,}, or lower size"
        )
    return EpochPlan(batches, batches // per_chunk, per_chunk)
