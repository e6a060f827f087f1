"""`unpack`: inflate chunks and sample their records, so that over a chunk's uses each comes equally often."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Compiled, Need
from flowload.abc.operators import OnError, Operator, Setting
from flowload.abc.stage import check_counts
from flowload.blocks import Chunks, Frames
from flowload.errors import GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.stages.batches.row_size import RECORD, row_size
from flowload.stages.chunks.inflate.decompress import SCRATCH, SLACK, STEP, Decompress
from flowload.stages.chunks.inflate.rechunk import Rechunk, claimed_bytes
from flowload.stages.chunks.inflate.sampling import Sampling
from flowload.stages.registry import own_formats

from .source_table import format_finder

__all__ = ["UnpackStage", "unpack"]

Checks: TypeAlias = Literal["values", "none"]

BLOCK = 16 << 20  #: bytes of records that a call gives at most
LEAST = 14 << 20  #: the same of a lane of many: 24 took 7 % more CPU, with 8 MiB 12 %
FINE = 1 << 16  #: bytes in whose multiples a lane of many leases what it samples: its blocks are small
PACKED = 2  #: times as many, where they are packed: to so much less memory that fewer calls are worth it
LIGHT = 2  #: times as many a call inflates at most, where it takes few of them: 10 to 50 milliseconds
ON_THEIR_WAY = 8  #: blocks that are finished, and wait or are worked on by the next stage, at most
IN_A_LANE = 1  #: the same of each of several lanes, beside the records that wait: see `BatchStage.memory`
FINEST = 10**6  #: largest denominator of a rate


@dataclass(frozen=True, kw_only=True)
class UnpackStage(Stage):
    """See `unpack`."""

    word: ClassVar[str] = "unpack"
    intact: ClassVar[bool] = True
    accepts: ClassVar[tuple[type, ...]] = (Chunks,)
    makes: ClassVar[type] = Frames
    keeps: ClassVar[bool] = True

    rate: float | None = None
    count: int | None = None
    max_chunk_bytes: int = 64 << 20
    checks: Checks = "values"
    sampling: Sampling = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts("unpack", max_chunk_bytes=self.max_chunk_bytes)
        if self.checks not in get_args(Checks):
            known = " or ".join(map(repr, get_args(Checks)))
            raise GraphError(f"unpack: checks is {self.checks!r}; wanted {known}")
        object.__setattr__(self, "sampling", self.read_sampling())

    def read_sampling(self) -> Sampling:
        """The rule that rate and count mean. Raises GraphError."""
        if self.count is not None:
            if self.rate is not None:
                raise GraphError(f"unpack: rate={self.rate!r} and count={self.count!r}; wanted one of them")
            check_counts("unpack", count=self.count)
            return Sampling(count=self.count)
        rate = 1.0 if self.rate is None else self.rate
        if isinstance(rate, bool) or not 1 / FINEST <= rate <= 1:
            raise GraphError(f"unpack: rate is {rate!r}; wanted a share from {1 / FINEST:.6f} to 1")
        share = Fraction(rate).limit_denominator(FINEST)
        return Sampling(num=share.numerator, den=share.denominator)

    def open(self, setting: Setting) -> Sequence[Operator]:
        """Cut the stream into equal pieces of work; inflate and sample each."""
        growing = any(stage.growing for stage in setting.upstream)
        block = block_bytes(setting)
        recut = Rechunk(block - SLACK, self.cost, growing=growing, find=format_finder(setting))
        inflate = Decompress(
            self.sampling,
            seed=setting.seed,
            limit=self.max_chunk_bytes,
            room=block,
            step=STEP if setting.lanes == 1 else FINE,
            checked=self.checks == "values",
            find=format_finder(setting),
        )
        if setting.here:  # one set of open files, and of scratch, for all lanes
            inflate = setting.shared.setdefault("inflate", inflate)
        return recut, inflate

    def cost(self, table: NDArray[np.void]) -> NDArray[np.int64]:
        """What chunks weigh in a call: bytes given, or the work of inflating, whichever is more."""
        claims = claimed_bytes(table, self.max_chunk_bytes)
        work: NDArray[np.int64] = np.maximum(-(-claims // LIGHT), self.sampling.most_bytes(table, claims))
        return work

    def needs(self, setting: Setting) -> Iterable[Need]:
        """Those that read the format."""
        formats = (form for form in own_formats(setting.upstream) if isinstance(form, Compiled))
        return chain.from_iterable(form.needs(None) for form in formats)

    def memory(self, setting: Setting) -> int:
        """Blocks at work and on their way, and scratch where chunks are sampled or packed."""
        workers = self.workers or setting.cpus
        way = IN_A_LANE if len(setting.here) > 1 else ON_THEIR_WAY
        if self.sampling.everything and row_size(setting) == RECORD:
            return (workers + way) * block_bytes(setting)
        if setting.lanes == 1:
            return workers * SCRATCH + (workers + way) * (STEP + self.packed_bytes(setting))
        scratch = (workers + 1) * SCRATCH if setting.lane == setting.here[0] else 0  # lanes have it together
        return scratch + (workers + way) * (FINE + self.packed_bytes(setting))

    def packed_bytes(self, setting: Setting) -> int:
        """Bytes of a block that it gives, as a rule at most."""
        packed = row_size(setting) / RECORD
        taken = 1 if self.sampling.everything and packed == 1 else min(1, LIGHT * self.sampling.share)
        return int(block_bytes(setting) * taken * packed)

    def taken(self, chunks: Chunks, seed: int) -> NDArray[np.int64]:
        """How many records each chunk use will give; -1 where the index does not know how many there are."""
        known = chunks.table["records"] >= 0
        taken = np.full(len(chunks), -1, np.int64)
        taken[known] = self.sampling.lengths(chunks.select(known), seed)
        return taken


def block_bytes(setting: Setting) -> int:
    """Bytes of records, before they are packed, that a call gives at most; lanes together hold as much."""
    whole = BLOCK * PACKED if row_size(setting) < RECORD else BLOCK
    return max(LEAST, whole // setting.lanes)


@names_keywords
def unpack(
    rate: float | None = None,
    count: int | None = None,
    *,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
    max_chunk_bytes: int = 64 << 20,
    checks: Checks = "values",
) -> Graph:
    """Inflate chunks, and sample a share or a number of the records of each use.

    Args:
        rate: share of a chunk's records that one use takes, above 0 and at most 1 (the default). Over
            1/rate uses of a chunk every record comes exactly once. In the chunk's own order.
        count: instead of a rate: so many records a use, all different (all, where the chunk has fewer).
        workers: calls that may run at once; None: as many as the run has CPUs.
        on_error: what a bad chunk does: "raise" ends the run, "skip" counts it as dropped.
        max_errors: under "skip": how many chunks (int) or which share (float) may be skipped.
        max_chunk_bytes: a chunk that inflates to more is bad: a limit for gzip bombs.
        checks: "values": a chunk is bad, too, if values in it break a rule of its format; counted by rule.
            Policies are looked at in those records that are taken, everything else in all.
            "none": values are taken as they are.

    Examples:
        >>> games = fl.discover(sample_path("chess")) >> fl.read("lc0")
        >>> def positions(rate, epochs):
        ...     with (games >> fl.unpack(rate=rate) >> fl.batch(256)).iterate(epochs=epochs) as batches:
        ...         return sum(len(batch["planes"]) for batch in batches)
        >>> positions(1.0, epochs=1) == positions(0.25, epochs=4)
        True
    """
    return place(
        UnpackStage(
            rate=rate,
            count=count,
            workers=workers,
            on_error=on_error,
            max_errors=max_errors,
            max_chunk_bytes=max_chunk_bytes,
            checks=checks,
        )
    )
