"""What a worker runs: a graph up to where its lanes come together, and answers to what is asked of it."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from flowload.abc.operators import Block, State
from flowload.errors import GraphError
from flowload.graph import Graph
from flowload.graph.inspect.lane_cut import cut_lanes
from flowload.processes.child import failure, pack
from flowload.runtime.child.wire import dumps, plain
from flowload.runtime.faces.blocking import Batches
from flowload.runtime.faces.handoff import OutputEnd
from flowload.runtime.lanes.rounds import Rounds
from flowload.runtime.order import Order

from .telling import Telling
from .workers import Answer, Asked, Bytes, Parcels

__all__ = ["LaneWorker"]


class Counted:
    """A block that has gone on its way: as much of it as an account needs."""

    __slots__ = ("samples",)

    def __init__(self, samples: int) -> None:
        self.samples = samples

    nbytes = 0

    def __len__(self) -> int:
        return self.samples


class Packed(NamedTuple):
    """A block as it travels."""

    meta: bytes
    arrays: tuple[Bytes, ...]
    passes: int
    nbytes: int


class LaneWorker:
    """Makes some lanes of a stream. A block counts as delivered when the reader has had its whole round.

    Args:
        asked: a pickled `Asked`.
    """

    def __init__(self, asked: bytes) -> None:
        self.asked: Asked = pickle.loads(asked)
        self.telling = Telling(self.asked.levels)
        self.order: Order | None = None
        self.sent: deque[Counted] = deque()  # and not counted yet
        self.number = 0  # of the next block that comes
        self.counted = 0
        self.held: Packed | None = None  # that there was no room for
        self.lock = threading.Lock()  # of what is counted
        self.ended: int | None = None  # passes of all that there was
        self.begun = threading.Event()

    def do(self, what: str, *given: Any) -> Answer:
        """See `Worker.ask`."""
        try:
            value = getattr(self, what)(*given)
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked
            return Answer(None, failure(error)[1:], self.telling.take())
        return Answer(value, None, self.telling.take())

    # ---- what is asked

    def begin(self) -> list[list[int]] | None:
        """Begin the run, and make what is wanted no more.

        Returns what each lane had given before the first round that is wanted, by `Count`, where it is known.
        """
        self.telling.begin()
        asked = self.asked
        graph = pickle.loads(asked.graph)
        assert isinstance(graph, Graph)  # noqa: S101 - our own parent sent it
        lanes = replace(cut_lanes(graph.plan, asked.cut), rank=asked.rank, world=asked.world)
        given = {**asked.order, "state": asked.state}
        self.order = Order(graph=graph, part=lanes.made(asked.number, asked.workers), **given)
        (self.output,) = self.order.outputs
        self.turn = len(lanes.here) // asked.workers
        self.batches = Batches(self.order)
        self.batches.__enter__()
        self.inner = self.batches._begun()  # noqa: SLF001 - its two faces are one to us
        self.number = self.counted = self.inner.delivered[self.output]
        while self.number < asked.first and self.next_block() is not None:
            self.count(asked.round)
        self.count(asked.round)
        rounds = next(
            segment.members[0].operator
            for segment in self.inner.begun_run().compiled.segments
            if isinstance(segment.members[0].operator, Rounds)
        )
        self.begun.set()
        found = rounds.stands.get(asked.first // self.turn)
        return None if found is None else found.tolist()

    def take(self, least: int, most: int, rounds: int) -> Parcels:
        """Blocks of so many bytes, at least, or all that there are; never of more than `most`.

        Args:
            least, most: bytes.
            rounds: that the reader has had whole.
        """
        self.count(rounds)
        first, found, total = self.number - (self.held is not None), list[Packed](), 0
        while self.ended is None or self.held is not None:
            packed = self.held or self.packed()
            self.held = None
            if packed is None:
                break
            if total + packed.nbytes > most:
                self.held = packed
                break
            found.append(packed)
            total += packed.nbytes
            if total >= least and (self.number % self.turn == 0 or least):
                break
        return Parcels(
            first=first,
            metas=tuple(each.meta for each in found),
            arrays=tuple(each.arrays for each in found),
            passes=tuple(each.passes for each in found),
            nbytes=tuple(each.nbytes for each in found),
            ended=self.ended if self.held is None else None,
            needs=self.held.nbytes if self.held is not None and not found else 0,
        )

    def state(self, rounds: int) -> State:
        """Where the lanes here stand behind so many rounds, as the state of a run that has had them."""
        self.begun.wait()
        self.count(rounds)
        return self.batches.state()

    def cut_now(self) -> None:
        """Have cuts made until a state is asked for; see `Batches.cut`."""
        self.begun.wait()
        self.batches.cut()

    def stats(self) -> Any:
        """What was done so far; None: nothing."""
        return plain(self.batches.stats()) if self.begun.is_set() else None

    def dump(self) -> Any:
        """What everybody does now."""
        return plain(self.batches.dump())

    def process(self) -> int:
        """Its number."""
        return os.getpid()

    def close(self) -> None:
        """End the run."""
        self.batches.close()

    # ---- how

    def packed(self) -> Packed | None:
        """The next block, as it travels; None: there is none."""
        found = self.next_block()
        if found is None:
            return None
        block, passes = found
        travel: Callable[[], Block] | None = getattr(block, "travel", None)
        try:
            meta, arrays = pack(block if travel is None else travel(), dumps)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise GraphError(
                f"a {type(block).__name__} cannot leave the process that made it: {error}; have lanes leave"
                f" behind the stage that reads it, with cut={cut_node(self.order)!r}"
            ) from error
        return Packed(meta, tuple(arrays), passes, len(meta) + sum(each.nbytes for each in arrays))

    def next_block(self) -> tuple[Block, int] | None:
        """The next block, and how many passes had ended before it; None: no more comes."""
        if self.ended is not None:
            return None
        block, _ = self.batches.take(self.output)
        if isinstance(block, OutputEnd):
            self.ended = self.passes(sys.maxsize)
            return None
        with self.lock:
            self.number += 1
            self.sent.append(Counted(len(block)))
        return block, self.passes(self.number)

    def passes(self, part: int) -> int:
        """How many passes had ended before a part of the output."""
        run = self.inner.begun_run()
        boundaries = run.compiled.outputs[self.output].boundaries
        assert boundaries is not None  # noqa: S101 - every output has
        with self.lock, run.monitor.run_lock:
            gone = boundaries.epoch - run.compiled.run.first_epoch + boundaries.draining
            return gone + sum(count for before, count in boundaries.ends if before < part)

    def count(self, rounds: int) -> None:
        """The reader has had so many rounds."""
        with self.lock:
            while self.sent and self.counted < rounds * self.turn:
                self.inner.count(self.output, self.sent.popleft(), 0.0)
                self.counted += 1


def cut_node(order: Order | None) -> str:
    """The node at which the lanes of a worker leave."""
    return "" if order is None else str(getattr(order.lanes, "node", ""))
