"""What a state weighs, and what going on from it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["StageCost", "StateCost"]


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """What a state of one operator takes, and what a resume does for it."""

    nbytes: int  #: in a file; 4/3 of that in JSON
    records: int = 0  #: that it names by reference
    chunks: int = 0  #: that a resume inflates for them
    inflates: int = 0  #: records in these chunks, estimated by those that are named
    payload: int = 0  #: bytes, if the state held the records instead


@dataclass(frozen=True, kw_only=True)
class StateCost:
    """Of a run.

    Where `inflates` of a stage is many times its `records`, as with `unpack(rate=0.03)` before a large
    reservoir, a resume would inflate more than the first fill did: `fl.reservoir(payload=True)` spares that,
    for `payload` bytes.
    """

    stages: Mapping[str, StageCost]  #: by operator
    begins_anew: str | None  #: why a resume makes the stream again from its beginning; None: it does not
    seconds: float  #: that saving parts took since the run began, all threads together
    longest: float  #: seconds that the longest of them held up a stage
    cut: float = 0.0  #: seconds that the newest of every stage took, all together
    again: int | None = None  #: blocks that a stage makes again, at most; None: nobody here knows

    @property
    def nbytes(self) -> int:
        """Bytes of all operators' states."""
        return sum(stage.nbytes for stage in self.stages.values())
