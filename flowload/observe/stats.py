"""What a run can be asked while it runs and after: snapshots, documented, with units."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Any, NamedTuple

from flowload.printable import printable

from .figures import align, count, counted, duration, rate, share
from .task_stats import EdgeStats, ExecutorStats, TaskStats

__all__ = [
    "HEAD",
    "SIDES",
    "ConsumerStats",
    "EdgeStats",
    "ExecutorStats",
    "LeaseStats",
    "NetworkStats",
    "Outcome",
    "RunStats",
    "StageStats",
    "TaskStats",
    "WaitStats",
    "Warned",
    "busy",
    "queue",
    "rows",
    "what_came",
]

#: Columns of the table of a run, and on which side their cells stand.
HEAD = ("stage", "in", "out", "rate", "busy", "queue", "dropped")
SIDES = "<>>>>>>"


class LeaseStats(NamedTuple):
    """Buffers of a run's pool that one stage asked for."""

    leased: int  #: in use now: somebody still sees them
    made: int  #: allocated for it; the others had been used before
    bytes: int  #: of those in use now


class StageStats(NamedTuple):
    """One stage at one moment; samples are counted in the unit of the stage's output."""

    name: str  #: of the node
    in_: int  #: samples taken in
    out: int  #: samples given out
    dropped: Mapping[str, int]  #: samples that ended here, by reason
    held: int  #: samples inside: in_ = out + dropped + held when nothing is under way
    blocks_in: int  #: blocks taken in
    blocks_out: int  #: blocks given out
    bytes_out: int  #: bytes of the blocks given out
    rate: float  #: samples/s given out, over the last second or so
    rate_overall: float  #: samples/s given out, since the first block came in
    busy: float  #: seconds of work, summed over workers
    starved: float  #: seconds without work because no input came
    blocked: float  #: seconds without room for output
    workers: int  #: calls that may run at once
    running: int  #: calls that run now
    service: float  #: mean seconds of one call
    bytes_in: int = 0  #: bytes of the blocks that came in
    calls: int = 0  #: calls that are over
    p50: float = 0.0  #: seconds: half of the calls took no longer (within 1/16, as p95)
    p95: float = 0.0  #: seconds: 95 of 100 calls took no longer
    longest: float = 0.0  #: seconds of the longest call
    cpu: float = 0.0  #: seconds of CPU of its calls, estimated from some of them; part of `busy`
    waited: float = 0.0  #: seconds that its calls waited for a thread of their executor
    executor: str = ""  #: where its calls run: "kernel", "io", or "loop"
    gauges: Mapping[str, float] = MappingProxyType({})  #: what its operators measure themselves: see below
    missing: int = 0  #: samples in `out` that lack something: a fill value stands for what was never stored
    lock: float = 0.0  #: seconds of `busy` in which calls waited for Python's lock; see `TaskStats`
    leases: LeaseStats | None = None  #: None: it never asked for a buffer


# Gauges are numbers since the start of the run, by name. The name ends in the unit: `_seconds`, `_bytes`; one
# without is a share of 1 or a count.
#
#   passes_done          `discover`, `rows`: passes over the data that the source has given whole, and those
#                        before `first_epoch`: the number of the present one
#   pass_done            the same: how much of the present pass it has given
#   sources              `discover(watch=True)`: files told so far
#   newest_source_age_seconds  the same: since the last of them was told
#   files_indexed        `read`: files whose chunks were listed
#   files_by_index       `read`: objects of a store of which an index beside them was read instead
#   pool_chunks          `shuffle_pool`: chunks in the pool
#   pool_fill            `shuffle_pool`: of the chunks that it may hold
#   reservoir_fill       `reservoir`: records that wait, of those that may
#   reshuffles           `shuffle`: passes that were given in random order
#   padding_efficiency   `batch` of padded rows: places that hold something (atoms), of all places
#   padding_efficiency_<slot>  the same by slot, such as 60_atoms, where there are several
#   batches_<slot>       the same: batches that were padded to it
#   objects_brought      `discover` of a store: objects that it brought to the cache
#   bytes_brought        the same in bytes
#   objects_coming       the same: those that are on their way
#   objects_brought_again  `unpack`: objects that had made room, and were brought once more
#   missing_chunks       `read_windows`: chunks that were asked for, do not exist, and hold the fill value
#   arrays_by_<way>      `read_windows`: arrays that are read in this way: pread, pread_zstd, zarrs_0.2.3 ...


class WaitStats(NamedTuple):
    """How long consumers waited for new data: a batch, or the first of several that are made of one window.

    All but `first` are of those behind the first, which waits for files to be opened.
    """

    waits: int = 0  #: without the first
    first: float = 0.0  #: seconds
    mean: float = 0.0  #: seconds
    p50: float = 0.0  #: seconds: half of the waits were no longer (within 1/16, as p95)
    p95: float = 0.0  #: seconds: 95 of 100 waits were no longer
    longest: float = 0.0  #: seconds


class ConsumerStats(NamedTuple):
    """Whoever takes the batches of one output."""

    samples: int = 0  #: taken
    blocks: int = 0  #: taken
    wait: float = 0.0  #: seconds that it waited for a block; of a wait that goes on, nothing yet


class Warned(NamedTuple):
    """Something that a run told of, once for each source: what it skipped, or filled."""

    at: float  #: seconds since the run started
    stage: str
    source: str  #: file or URL, as far as it is known
    what: str


class Outcome(NamedTuple):
    """What there is to say of a run that does not simply go on.

    `kind` is "empty" (nothing was delivered yet), "stalled" (nothing moves; only a watch can tell, see
    `flowload.observe.stall`), "failed", "left" (stopped by whoever read it) or "over" (the stream ended).
    """

    kind: str
    stage: str = ""  #: that holds it, or failed
    seconds: float = 0.0  #: without progress
    text: str = ""
    dump: tuple[str, ...] = ()  #: what each thread and task is at


class NetworkStats(NamedTuple):
    """What this process asked of object stores since the run began: objects, listings, chunks of zarr."""

    requests: int = 0
    failures: int = 0  #: of these, those that gave no whole answer; what passes was tried again
    bytes: int = 0  #: that came
    seconds: float = 0.0  #: that all requests took together
    busy: float = 0.0  #: seconds in which at least one was under way, be it ahead of need
    waiting: float = 0.0  #: seconds in which some stage waited for what it needed next


class RunStats(NamedTuple):
    """A whole run at one moment."""

    stages: Mapping[str, StageStats]  #: by node name, in the order of the flow
    edges: tuple[EdgeStats, ...]
    elapsed: float  #: seconds since the run started
    delivered: int  #: samples that consumers took
    blocks_delivered: int  #: blocks (batches) that consumers took
    consumer_wait: float  #: seconds that consumers waited for a block
    loop_time: float  #: seconds of CPU of the event-loop thread
    buffers_leased: int  #: buffers in use now
    buffers_made: int  #: buffers allocated since the start
    buffer_bytes: int  #: bytes of all buffers, in use and free
    seed: int
    finished: bool  #: the stream ended by itself
    buffers_recycled: int = 0  #: leases since the start that were served from buffers that had come back
    executors: tuple[ExecutorStats, ...] = ()
    tasks: tuple[TaskStats, ...] = ()  #: in the order of the flow
    cpus: int = 1  #: CPUs that the run may use
    cpu_time: float = 0.0  #: seconds of CPU of this process since the run started, the consumer's among them
    storage_bytes: int = 0  #: bytes that this process had read from storage (not the page cache) since then
    outputs: int = 1  #: outputs, each with a consumer
    chunk_wait: WaitStats = WaitStats()
    epochs: int | None = None  #: passes over the data that were asked for; None: until stopped
    first_epoch: int = 0  #: number of the first of them
    consumers_lock: float = 0.0  #: seconds in which others held Python's lock; see `TaskStats`
    unclosed: int = 0  #: parts of a run that was stopped which could not be closed; the log has the errors
    consumers: Mapping[str, ConsumerStats] = MappingProxyType({})  #: by output
    memory_rss: int = 0  #: bytes of memory that this process has now (0 where the system does not say)
    warnings: tuple[Warned, ...] = ()  #: the last of them
    warned: int = 0  #: how many there were
    outcome: Outcome | None = None  #: None: it goes on
    new_chunks: int | None = None  #: that have come behind the run's anchor; None: nothing grows
    epoch_waits: Mapping[int, WaitStats] = MappingProxyType({})  #: `chunk_wait` by pass, without the first
    network: NetworkStats = NetworkStats()

    def as_json(self) -> dict[str, Any]:
        """Plain values for `json.dump`: `in_` is spelled "in"."""
        return dict(_values(self))

    def __str__(self) -> str:
        """A table with a row a stage, over the whole run, and what consumers got."""
        table = align([HEAD, *rows(self)], SIDES)
        return "\n".join([*table, "", f"{what_came(self)} in {duration(self.elapsed)}"])

    def _repr_html_(self) -> str:
        """The statistics as a notebook shows them."""
        return f"<pre>{escape(str(self))}</pre>"


def _values(value: Any) -> Any:
    """What JSON has for it: names of fields, and of what is counted by name, are keys."""
    if hasattr(value, "_asdict"):
        return {key.rstrip("_"): _values(inner) for key, inner in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(key): _values(inner) for key, inner in value.items()}
    return [_values(inner) for inner in value] if isinstance(value, tuple) else value


def rows(now: RunStats, before: RunStats | None = None) -> list[tuple[str, ...]]:
    """Cells of every stage; rates and busy time since `before`, or of the whole run without it."""
    return [cells(stage, now, before) for stage in now.stages.values()]


def cells(stage: StageStats, now: RunStats, before: RunStats | None) -> tuple[str, ...]:
    """One row; the columns are `HEAD`."""
    overall = stage.out / now.elapsed if now.elapsed > 0 else 0.0
    return (
        printable(stage.name),
        count(stage.in_),
        count(stage.out),
        rate(overall if before is None else stage.rate),
        share(busy(stage, now, before)),
        queue(stage.name, now),
        count(sum(stage.dropped.values())),
    )


def busy(stage: StageStats, now: RunStats, before: RunStats | None) -> float:
    """Share of the time in which a worker of this stage worked: 1 when all of them always did."""
    past = None if before is None else before.stages.get(stage.name)
    worked = stage.busy - (past.busy if past else 0.0)
    passed = now.elapsed - (before.elapsed if before and past else 0.0)
    # Work is counted when a call ends: a long one may seem more than a moment could hold.
    return min(1.0, worked / (passed * max(1, stage.workers))) if passed > 0 else 0.0


def queue(stage: str, now: RunStats) -> str:
    """Blocks that wait for this stage, of how many fit; a stage fused to the one before has no queue."""
    edges = [edge for edge in now.edges if edge.target == stage]
    return f"{sum(e.blocks for e in edges)}/{sum(e.capacity for e in edges)}" if edges else "-"


def what_came(now: RunStats) -> str:
    """What consumers got so far."""
    batches = counted(now.blocks_delivered, "batch", "batches")
    return f"{batches}, {counted(now.delivered, 'sample', 'samples')}"
