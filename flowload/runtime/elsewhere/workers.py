"""How a run and the workers that make its lanes speak: what each is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import State

__all__ = ["Answer", "Asked", "Parcels", "Start", "Told", "Worker"]

Bytes: TypeAlias = NDArray[np.uint8]


class Asked(NamedTuple):
    """What a worker is to make."""

    graph: bytes  #: pickled
    order: Mapping[str, Any]  #: how to run it: fields of `RunOrder` but for the state
    cut: str | None  #: see `cut_lanes`
    number: int  #: of the worker
    workers: int
    rank: int  #: of the run that takes the lanes
    world: int
    state: State | None  #: what it goes on from, its blocks counted as its own
    first: int  #: number of the first of its blocks that is wanted
    round: int  #: rounds that the reader has had whole
    levels: Mapping[str, int] | None  #: of loggers; None: it is in the same process


class Parcels(NamedTuple):
    """Blocks of a worker's lanes, in turn, as they travel: a pickle of each, and its arrays beside it."""

    first: int  #: number of the first of them, as the worker counts
    metas: tuple[bytes, ...]
    arrays: tuple[tuple[Bytes, ...], ...]  #: the bytes of the arrays of each
    passes: tuple[int, ...]  #: of the data that had ended before each
    nbytes: tuple[int, ...]  #: of each
    ended: int | None = None  #: no more comes: passes of all of it
    needs: int = 0  #: bytes that the next one takes, where it was more than there is room for


class Told(NamedTuple):
    """Something that a worker logged, or warned of."""

    kind: str  #: "log" or "warning"
    what: tuple[Any, ...]


class Answer(NamedTuple):
    """What a worker answers, whatever it is asked."""

    value: Any  #: None where it failed
    error: tuple[Any, ...] | None = None  #: see `flowload.processes.child.failure`
    told: Sequence[Told] = ()  #: since the last answer


class Worker(Protocol):
    """A `LaneWorker` in a process of its own. What it answers to `ask` comes as an `Answer`.

    The calls of "begin" and "take" are done in their order, others beside them. A future raises ProcessDied
    where the worker died, or what it answered is lost.
    """

    where: str  #: what it is called in messages

    def ask(self, what: str, *given: Any) -> Future[Answer]:
        """Have it do something."""

    def kill(self) -> None:
        """End it now, whatever it is doing; idempotent."""


Start: TypeAlias = Callable[[Asked], Worker]  #: starts a worker
