"""What a run can be asked while it runs and after: snapshots, documented, with units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["EdgeStats", "RunStats", "StageStats"]


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


class EdgeStats(NamedTuple):
    """One queue between two stages at one moment."""

    source: str  #: node and port that writes, such as "split.train"
    target: str  #: node that reads
    blocks: int  #: waiting now
    nbytes: int  #: waiting now, in bytes
    capacity: int  #: blocks that fit
    mean: float  #: blocks waiting, mean over time


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

    def as_json(self) -> dict[str, Any]:
        """Plain values for `json.dump`: `in_` is spelled "in"."""
        rows = {name: _plain(stage) for name, stage in self.stages.items()}
        return {**self._asdict(), "stages": rows, "edges": [edge._asdict() for edge in self.edges]}


def _plain(stage: StageStats) -> dict[str, Any]:
    row = stage._asdict()
    samples = row.pop("in_")
    return {"name": row.pop("name"), "in": samples, **row, "dropped": dict(stage.dropped)}
