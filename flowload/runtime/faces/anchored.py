"""How much has come since an anchor, asked of a run over data that grow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from flowload.abc.stage import check_counts
from flowload.errors import ClosedRun
from flowload.runtime.capture import Capture
from flowload.runtime.growing.arrivals import Arrivals
from flowload.runtime.run import Run

__all__ = ["OVER", "Anchored", "check_chunks", "while_it_runs"]

T = TypeVar("T")

OVER = "the run was left, or is over: nothing more comes to it"


class Anchored:
    """What both faces of a run have for growing data.

    A run's anchor is a file's name; chunks of the files behind it are new. A run begins with the anchor of
    the state that it goes on from, or with none: then everything is new.
    """

    def begun_run(self) -> Run:
        """The run. Raises ClosedRun before it has begun."""
        raise NotImplementedError

    def arrivals(self) -> Arrivals:
        """What has come. Raises GraphError where nothing grows."""
        return self.begun_run().growth.counted_arrivals()

    def anchor(self, key: str | None = None) -> str | None:
        """Put the anchor at a file, by default the newest that is known; returns its name.

        None: no file has come. A state keeps it.
        """
        arrivals = self.arrivals()
        growth = self.begun_run().growth
        growth.anchor = arrivals.newest() if key is None else key
        return growth.anchor

    def new_chunks(self, since: str | None = None) -> int:
        """How many chunks of indexed files have come since an anchor, by default the run's own."""
        return self.arrivals().count(self.begun_run().growth.anchor if since is None else since)


async def while_it_runs(run: Run, wait: Callable[[], Awaitable[T]]) -> T:
    """Wait for something, as long as the run goes on. Raises what it failed with, or ClosedRun."""
    assert run.gone is not None  # noqa: S101 - it has begun
    answers: list[T] = []
    failures: list[Exception] = []  # raised from the group they would come in a group of their own
    async with anyio.create_task_group() as group:

        async def ask() -> None:
            with Capture(failures.append):
                answers.append(await wait())
            group.cancel_scope.cancel()

        group.start_soon(ask)
        await run.gone.wait()
        group.cancel_scope.cancel()
    if answers:
        return answers[0]
    if failures:
        raise failures[0]
    if run.failure is not None:
        raise run.failure
    raise ClosedRun(OVER)


def check_chunks(chunks: object) -> None:
    """Raise GraphError for what is no number of chunks."""
    check_counts("wait", chunks=chunks)
