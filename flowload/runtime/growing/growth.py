"""How far the data of a run have grown, as the run knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowload.abc.growing import Arriving
from flowload.runtime.tasks.call import Member

from .arrivals import Arrivals
from .chunk_counts import ChunkCounts

__all__ = ["Growth"]


class Growth:
    """The anchor of a run, and what came behind it; see `arrivals`.

    Args:
        members: operators of the run.
        anchor: the file behind which everything is new; None: all is new.
        chunk_counts: chunks of files that were looked at, by node of a growing source.
    """

    def __init__(
        self,
        members: Sequence[Member],
        anchor: str | None = None,
        chunk_counts: Mapping[str, ChunkCounts] | None = None,
    ) -> None:
        self.members = members
        self.anchor = anchor
        self.chunk_counts = chunk_counts or {}
        self.arrivals: Arrivals | None = None  #: made when somebody asks: to follow files costs something

    def counted_arrivals(self) -> Arrivals:
        """What has come to growing sources. Raises GraphError where nothing grows."""
        if self.arrivals is None:
            self.arrivals = Arrivals(self.members, list(self.chunk_counts.values()))
        return self.arrivals

    def new_chunks(self) -> int | None:
        """Chunks of indexed files behind the anchor; None where nothing grows. From any thread."""
        if not any(isinstance(member.operator, Arriving) for member in self.members):
            return None
        return self.counted_arrivals().count(self.anchor)
