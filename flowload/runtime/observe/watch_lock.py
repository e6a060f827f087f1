"""Looks now and then who has Python's lock, for as long as a run goes on."""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from flowload.runtime.cold_start import compile_kernels
from flowload.runtime.threads.executor import Executor
from flowload.runtime.threads.lock_probe import LockProbe, threads_of

__all__ = ["watch_lock"]

GLANCE = 0.05  #: seconds between two looks: 0.2 ms each
SETTLED = 0.5  #: seconds before the first: short runs need none


async def watch_lock(lock: LockProbe, executors: Mapping[str, Executor], at: Mapping[int, str]) -> None:
    """Look until this is cancelled; at once nothing, where the system does not show it.

    Args:
        lock: keeps what is seen.
        executors: of the run.
        at: the node whose code each thread runs, by its identity.
    """
    if lock.where is None:
        return
    await anyio.sleep(SETTLED)
    await compile_kernels([lock.need()], 1, quiet=True)
    while True:
        lock.look(threads_of(executors.values(), at), 4 * GLANCE)
        await anyio.sleep(GLANCE)
