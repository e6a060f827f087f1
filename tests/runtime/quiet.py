"""Waiting until a run stands still, without a clock."""

from __future__ import annotations

from typing import Any

import anyio

from flowload.runtime.run import Run

__all__ = ["quiet"]


async def quiet(batches: Any) -> Run:
    """Return when every task of the run is parked and no thread of it works; the run itself."""
    run = batches.run
    assert isinstance(run, Run)
    turns = 0
    while turns < 10:
        await anyio.lowlevel.checkpoint()
        turns = 0 if works(run) else turns + 1
        if turns == 10:  # it seems so; asking is slow where tasks still run
            await anyio.wait_all_tasks_blocked()
            turns = 0 if works(run) else turns
    return run


def works(run: Run) -> bool:
    """A thread of the run has work."""
    return any(executor.open_jobs for executor in run.executors.values())
