"""Reading again what a fold of a restored run had held, in the order of the files, by all threads at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
from numpy.typing import NDArray

from flowload.abc.powers import Recalling, Resumable
from flowload.errors import GraphError
from flowload.runtime.capture import FAILURES, Capture
from flowload.runtime.threads.executor import Executor

if TYPE_CHECKING:  # a member's call is told of by tasks, which save by modules of this room
    from flowload.runtime.tasks.call import Member

__all__ = ["pieces", "refill"]

CHUNKS = 32  #: of a call: enough to pay for the way to a thread, few enough that all threads have some


async def refill(members: Iterable[Member], executor: Executor) -> None:
    """Give every fold the records again that it names. Raises DataError where they are not there any more."""
    before: list[Member] = []
    for member in members:
        if isinstance(member.operator, Resumable):
            with member:
                form, sources, origin = member.operator.references()
            if len(origin):
                await Recall(recaller(before, member), member, form, sources).all(origin, executor)
        before.append(member)


def recaller(before: Sequence[Member], member: Member) -> Member:
    """The map that made what a fold holds: the nearest before it that can do so again."""
    for other in reversed(before):
        if isinstance(other.operator, Recalling) and other.lane in (None, member.lane):
            return other
    raise GraphError(f"{member.name!r} holds records by reference, and nothing before it reads them")


class Recall:
    """Reads records for one fold."""

    def __init__(self, reader: Member, fold: Member, form: str | None, sources: tuple[Any, ...]) -> None:
        self.reader = reader
        self.fold = fold
        self.form = form
        self.sources = sources
        self.filling = threading.Lock()
        self.errors: list[BaseException] = []

    async def all(self, origin: NDArray[np.void], executor: Executor) -> None:
        """Read all of them."""
        async with anyio.create_task_group() as group:
            for places in pieces(origin):
                group.start_soon(self.await_piece, partial(self.read, origin[places], places), executor)
        if self.errors:
            raise self.errors[0]

    async def await_piece(self, work: Any, executor: Executor) -> None:
        """Have one piece read in a thread."""
        with Capture(self.errors.append, FAILURES):
            if not self.errors:
                await executor.run(work)

    def read(self, origin: NDArray[np.void], places: NDArray[np.int64]) -> None:
        """Read the records of some chunks, and give them to the fold."""
        reader, fold = self.reader.operator, self.fold.operator
        assert isinstance(reader, Recalling)  # noqa: S101 - `recaller` found it
        assert isinstance(fold, Resumable)  # noqa: S101 - `refill` asked
        call = self.reader.call(0)
        call.go_on()
        with self.reader:
            payload = reader.recall(self.form, self.sources, origin, call)
        with self.filling, self.fold:
            fold.refill(payload, places)


def pieces(origin: NDArray[np.void]) -> Iterator[NDArray[np.int64]]:
    """Places of references in the order of sources, chunks and records, cut where a chunk ends."""
    order = np.lexsort((origin["record"], origin["chunk"], origin["source"]))
    source, chunk = origin["source"][order], origin["chunk"][order]
    borders = np.flatnonzero((np.diff(source) != 0) | (np.diff(chunk) != 0)) + 1
    firsts = [0, *borders[CHUNKS - 1 :: CHUNKS].tolist(), len(order)]
    for first, end in pairwise(firsts):
        yield order[first:end]
