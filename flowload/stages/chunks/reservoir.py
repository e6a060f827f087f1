"""`reservoir`: decorrelate records by exchanging each with a random one of many that wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flowload.abc.needs import Need
from flowload.abc.operators import OnError, Operator, Setting
from flowload.abc.stage import check_counts, check_flags
from flowload.blocks import ORIGIN, Frames
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.kernels.chunks.exchange import exchange
from flowload.kernels.philox import permutation, stream
from flowload.kernels.rows.gather import gather, widen
from flowload.stages.batches.row_size import row_size

from .pool_choices import drawing
from .references import why_not_by_reference
from .reservoir_fold import DRAIN, Exchange, as_numbers
from .source_table import counting, format_finder

__all__ = ["ReservoirStage", "reservoir"]


@dataclass(frozen=True, kw_only=True)
class ReservoirStage(Stage):
    """See `reservoir`."""

    word: ClassVar[str] = "reservoir"
    intact: ClassVar[bool] = True
    accepts: ClassVar[tuple[type, ...]] = (Frames,)
    makes: ClassVar[type] = Frames
    keeps: ClassVar[bool] = True

    frames: int
    payload: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flags(self.word, payload=self.payload)
        check_counts("reservoir", frames=self.frames)

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: the Fold that exchanges records with random slots."""
        why = None if self.payload else why_not_by_reference(setting)
        unsaved = None if why is None else f"{why}; payload=True keeps the records in the state"
        drain, least = drain_of(setting)
        find, size = format_finder(setting), self.size(setting)
        return (Exchange(size, drain=drain, least=least, payload=self.payload, unsaved=unsaved, find=find),)

    def size(self, setting: Setting) -> int:
        """Records that wait. Raises GraphError for lanes that would have none."""
        return setting.of_lane(self.frames, "reservoir: frames")

    def needs(self, setting: Setting) -> Iterator[Need]:  # noqa: ARG002 - the same in every setting
        """Those of the exchange."""
        rows, numbers = np.empty((2, 2), np.uint8), np.empty(2, np.int64)
        origin = as_numbers(np.empty(2, ORIGIN))
        yield drawing()
        yield permutation, (numbers, stream((0, 0)), 0)
        yield widen, (rows, rows)
        yield exchange, (rows, rows, numbers)
        yield exchange, (origin, origin, numbers)
        yield gather, (rows, rows, numbers)
        yield from counting()

    def memory(self, setting: Setting) -> int:
        """Its rows. Blocks on the way out are counted above: in their own memory, or when no more come."""
        return self.size(setting) * (row_size(setting) + ORIGIN.itemsize)


def drain_of(setting: Setting) -> tuple[int, int]:
    """Bytes of a block at the end: at most, and of the lease that it lies in at least.

    Blocks of lanes are smaller, and of each lane there are few: they lie in what unpack's were in. In memory
    of their own those of 24 lanes took a tenth more than the run had taken before.
    """
    known = [stage.packed_bytes(setting) for stage in setting.upstream if hasattr(stage, "packed_bytes")]
    if setting.lanes == 1 or not known:
        return DRAIN // setting.lanes, 0
    return max(known), max(known)


@names_keywords
def reservoir(
    frames: int,
    *,
    payload: bool = False,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
) -> Graph:
    """Decorrelate records: each that comes in takes the place of a random one of `frames` that wait.

    Args:
        frames: records that wait. 1 keeps the order. The memory, about 2.1 KB a record of lc0 (packed), is
            taken as the reservoir fills; at the end of the stream it drains in random order. Behind
            `shard(lanes=...)` of the whole stream: each lane has its share of them.
        payload: what a state of the run keeps of the records that wait. False: where each came from, 12
            bytes; a resume reads them again, and inflates each of their chunks once. True: the records, 2.1
            KB each of lc0 (packed): better where `unpack` takes a small share of each chunk, so that a
            resume would inflate many times what it keeps (`batches.state_cost()` says so), and needed where
            a map before this stage has changed the records. It takes as much memory again.
        on_error: what records of another format than the first do: "raise" ends the run, "skip" counts
            them as dropped.
        max_errors: under "skip": how many records (int) or which share (float) may be skipped.

    Examples:
        >>> games = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.unpack()
        >>> with (games >> fl.reservoir(1000) >> fl.batch(256)).iterate(seed=0) as batches:
        ...     print(next(batches)["planes"].shape)
        (256, 112, 8, 8)
    """
    return place(ReservoirStage(frames=frames, payload=payload, on_error=on_error, max_errors=max_errors))
