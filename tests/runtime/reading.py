"""Both faces of a run behind one call, so that one test can ask the same of all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from flowload.graph import Graph

See = Callable[[Any, Any], bool]

__all__ = ["FACES", "Face", "Taker", "run_threads", "running_tasks"]


@dataclass(frozen=True)
class Face:
    """`iterate`, or `stream` on an event loop."""

    backend: str | None

    def __str__(self) -> str:
        return self.backend or "iterate"

    def read(self, graph: Graph, most: int | None = None, **how: Any) -> list[Any]:
        """What a reader gets who leaves after `most` batches; nothing of the run is left then."""
        return self.use(graph, Taker(most), **how) or []

    def use(self, graph: Graph, see: See | None, **how: Any) -> Any:
        """Show every batch and the run to `see` until it says False; what `see.got` holds then.

        Without `see`, the run is entered and left.
        """
        if self.backend is None:
            return use_iterate(graph, see, how)
        return anyio.run(partial(use_stream, graph, see, how), backend=self.backend)


class Taker:
    """Keeps so many batches, and the run."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.got: list[Any] = []
        self.run: Any = None

    def __call__(self, batch: Any, run: Any) -> bool:
        self.got.append(batch)
        self.run = run
        return len(self.got) != self.most


def use_iterate(graph: Graph, see: See | None, how: dict[str, Any]) -> Any:
    before = run_threads()
    try:
        with graph.iterate(**how) as batches:
            if see is not None:
                for batch in batches:
                    if not see(batch, batches):
                        break
    finally:
        assert run_threads() == before
    return getattr(see, "got", None)


async def use_stream(graph: Graph, see: See | None, how: dict[str, Any]) -> Any:
    threads, tasks = run_threads(), running_tasks()
    try:
        async with graph.stream(**how) as batches:
            if see is not None:
                async for batch in batches:
                    if not see(batch, batches):
                        break
    finally:
        assert run_threads() == threads
        assert running_tasks() <= tasks
    return getattr(see, "got", None)


def run_threads() -> list[str]:
    """Names of the threads that runs have started and that are still there."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("flowload")]


def running_tasks() -> set[anyio.TaskInfo]:
    """Tasks of the event loop: as a set, for asyncio tells them in any order, and another one each time.

    What is left of a run is in it and was not before; that one of the test runner's has ended is no matter.
    """
    return set(anyio.get_running_tasks())


FACES = [Face(None), Face("asyncio"), Face("trio")]
