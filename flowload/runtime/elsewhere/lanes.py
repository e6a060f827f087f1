"""The lanes of a run from its workers: asked for within a bound, and again of others when workers die."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import State
from flowload.errors import ClosedRun, GraphError, LedgerError, ProcessDied
from flowload.graph.inspect.lane_cut import CutLanes
from flowload.runtime.capture import as_error
from flowload.runtime.lanes.rounds import Count

from .crew import LONG, Crew, Seat, check_workers
from .into import Into
from .lane import Arrived
from .workers import Answer, Parcels, Start

__all__ = ["RemoteLanes"]

log = logging.getLogger("flowload")

LEAST = 8 << 20  #: bytes that a call carries: of 1 MB, as many take three times as long
DEPTH = 8  #: calls of a worker that are under way at most


class RemoteLanes(Crew):
    """Asks workers for the lanes of a run. What comes goes into the lanes of the run under its lock.

    All that happens is done by one thread, one event after the other: answers, room that was made, what the
    user asks. So no two of them are ever halfway.

    Args:
        cut: the lanes, as the process that takes them has drawn them.
        start: starts a worker.
        asked: what all workers are asked alike: fields of `Asked`.
        workers: how many.
        bytes_ahead: bytes of blocks that are on their way, or wait, at most.
        wanted: says how many workers there should be now; None: it is no matter of the cluster.
    """

    every: ClassVar[float] = 10.0  #: seconds between two states of a worker that are kept for its successor
    look: ClassVar[float] = 5.0  #: seconds between two looks at how many workers there should be

    def __init__(
        self,
        cut: CutLanes,
        start: Start,
        asked: Mapping[str, Any],
        workers: int,
        bytes_ahead: int,
        wanted: Callable[[CutLanes], int] | None = None,
    ) -> None:
        super().__init__(cut, start, asked, workers)
        self.wanted = wanted
        self.looked = 0.0
        self.bytes_ahead = bytes_ahead
        self.events: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.thread: threading.Thread | None = None
        self.on_way = 0  # bytes that calls may bring
        self.waiting = 0  # bytes that have come, and have not gone on
        self.closing = threading.Lock()

    # ---- from threads of the reader's and the run's

    def open(self, into: Into, state: State | None, rounds: int) -> NDArray[np.int64]:
        """Start workers behind so many rounds, and wait until all have begun. Raises what they raise.

        Returns what each lane has given before, by `Count`.
        """
        self.entered = into
        self.stood.begin(state, rounds, into.output)
        for remote in into.lanes.values():
            remote.count = rounds
            remote.gone_on = self.tell_gone_on
        self.seats = [self.seated(number) for number in range(self.workers)]
        begun = [seat.worker.ask("begin") for seat in self.seats]
        counts = np.zeros((len(into.lanes), len(Count)), np.int64)
        places_of = {lane: k for k, lane in enumerate(self.cut.here)}
        for number, future in enumerate(begun):
            rows = self.first_heard(number, future)
            for lane, row in zip(self.seats[number].lanes, rows or (), strict=bool(rows)):
                counts[places_of[lane]] = row
        for lane, remote in into.lanes.items():
            remote.passes = int(counts[places_of[lane], Count.PASSES])
        return counts

    def go(self) -> None:
        """Ask for blocks from now on."""
        self.thread = threading.Thread(target=self.serve, name="flowload-workers", daemon=True)
        self.thread.start()
        self.events.put(lambda: None)

    def scale(self, workers: int) -> None:
        """Have another number of workers from now on. Raises GraphError for one that lanes do not allow."""
        check_workers(workers, self.cut)
        if self.closed:
            raise ClosedRun("this run was left, or is over")
        self.events.put(partial(self.rescale, workers))

    def close(self) -> None:
        """End all workers; their last words are kept. May be called again."""
        with self.closing:
            if self.closed:
                return
            if self.thread is not None and not self.failed:
                self.stats()
                self.left = {rounds: self.state(rounds) for rounds in self.into.last_rounds()}
            self.closed = True
            self.events.put(None)
            if self.thread is not None:
                self.thread.join()
            for seat in self.seats:
                seat.worker.kill()

    def tell_gone_on(self, nbytes: int) -> None:
        """There is room for so many bytes; holding the run lock."""
        self.events.put(partial(self.went_on, nbytes))

    # ---- in the thread of its own

    def serve(self) -> None:
        """Do what happens, until the run is left."""
        while (event := self.events.get()) is not None:
            if self.failed or self.closed:
                continue
            try:
                event()
                self.ask()
            except BaseException as error:  # noqa: BLE001 - whoever waits for a lane is told
                self.fail(error)

    def went_on(self, nbytes: int) -> None:
        """There is room for so many bytes."""
        self.waiting -= nbytes

    def ask(self) -> None:
        """Ask for as much as there is room for: first of the worker whose lanes are furthest behind.

        What has come is copied out of what carried it at once, so calls that are under way end by themselves,
        whatever the reader does. So one of whose lanes has nothing may always ask: others wait for it.
        """
        if self.wanted is not None and monotonic() - self.looked >= self.look:
            self.looked = monotonic()
            self.rescale(self.wanted(self.cut))
        for seat in sorted(self.seats, key=self.progress):
            self.save(seat)
            while seat.began and not seat.ended and len(seat.calls) < DEPTH:
                most = max(seat.needs, min(2 * LEAST, self.bytes_ahead // (2 * len(self.seats))), 1)
                starved = not seat.calls and self.is_starved(seat)
                used = self.on_way if starved else self.on_way + self.waiting
                if used + most > self.bytes_ahead:
                    break
                number, seat.made = seat.made, seat.made + 1
                seat.calls[number] = most
                self.on_way += most
                least = 0 if number == 0 else min(LEAST, max(1, most // 2))
                future = seat.worker.ask("take", least, most, self.rounds)
                future.add_done_callback(partial(self.later, partial(self.answered, seat, number)))

    def later(self, event: Callable[[Future[Answer]], None], future: Future[Answer]) -> None:
        """Have an answer heard by the thread of its own."""
        self.events.put(partial(event, future))

    @property
    def rounds(self) -> int:
        """That the reader has had whole."""
        return self.into.rounds()

    def progress(self, seat: Seat) -> int:
        """Blocks of a worker's lanes that have come, or are asked for."""
        return min(self.into.lanes[lane].count for lane in seat.lanes) + len(seat.calls)

    def is_starved(self, seat: Seat) -> bool:
        """Whether one of a worker's lanes has nothing: all others wait for it."""
        return not all(self.into.lanes[lane].inbox for lane in seat.lanes)

    def save(self, seat: Seat) -> None:
        """Have a worker's state for its successor, now and then."""
        if seat.began and not seat.saving and monotonic() - seat.saved >= self.every:
            seat.saving = True
            future = seat.worker.ask("state", self.rounds)
            future.add_done_callback(partial(self.later, partial(self.saved, seat)))

    def saved(self, seat: Seat, future: Future[Answer]) -> None:
        """A state has come."""
        seat.saving, seat.saved = False, monotonic()
        if seat in self.seats:
            self.learnt(seat, future, LONG)

    def answered(self, seat: Seat, number: int, future: Future[Answer]) -> None:
        """A call is over."""
        if seat not in self.seats:
            return  # it was replaced
        try:
            seat.early[number] = future.result()
        except ProcessDied as error:
            self.replace(seat, error)
            return
        while (answer := seat.early.pop(seat.taken, None)) is not None:
            self.on_way -= seat.calls.pop(seat.taken)
            seat.taken += 1
            parcels: Parcels = self.heard(seat, answer)
            self.take(seat, parcels)

    def take(self, seat: Seat, parcels: Parcels) -> None:
        """Blocks have come."""
        into = self.into
        for k, meta in enumerate(parcels.metas):
            number, place = divmod(parcels.first + k, seat.turn)
            remote = into.lanes[seat.lanes[place]]
            if number < remote.count:
                continue  # made again
            if number > remote.count:
                raise LedgerError(f"lane {remote.lane}: block {remote.count} is lost, {number} came")
            block = into.unpacked(meta, parcels.arrays[k])
            item = Arrived(number, parcels.passes[k], block, parcels.nbytes[k])
            self.waiting += item.nbytes
            self.deaths = 0
            with into.run_lock:
                remote.arrive(item)
        if parcels.needs > self.bytes_ahead:
            raise GraphError(
                f"bytes_ahead is {self.bytes_ahead:,}, and one block takes {parcels.needs:,}: give more"
            )
        seat.needs = max(seat.needs, parcels.needs)
        if parcels.ended is not None and not seat.ended:
            seat.ended = True
            with into.run_lock:
                for lane in seat.lanes:
                    into.lanes[lane].end(parcels.ended)

    def replace(self, seat: Seat, error: ProcessDied) -> None:
        """A worker has died: another goes on for it, from what has come."""
        self.on_way -= sum(seat.calls.values())
        seat.calls.clear()
        if seat.ended:
            seat.worker.kill()  # all of it has come
            return
        self.count_death(seat, error)
        self.seats[self.seats.index(seat)] = self.begun(seat.number)

    def rescale(self, workers: int) -> None:
        """Stop all workers, and begin with another number of them where the lanes stand."""
        if workers == self.workers:
            return
        rounds = self.rounds
        asked = [(seat, seat.worker.ask("state", rounds)) for seat in self.seats]
        for seat, future in asked:
            self.learnt(seat, future, LONG)
            seat.worker.kill()
        log.info("%d workers make the lanes from now on, where it was %d", workers, self.workers)
        self.workers, self.on_way = workers, 0
        self.seats = [self.begun(number) for number in range(workers)]

    def begun(self, number: int) -> Seat:
        """A worker that goes on where its lanes are; it begins while others work."""
        seat = self.seated(number)
        seat.worker.ask("begin").add_done_callback(partial(self.later, partial(self.has_begun, seat)))
        return seat

    def has_begun(self, seat: Seat, future: Future[Answer]) -> None:
        """A worker can be asked."""
        if seat not in self.seats:
            return
        try:
            self.heard(seat, future.result())
        except ProcessDied as error:
            self.replace(seat, error)
            return
        seat.began = True

    def fail(self, error: BaseException) -> None:
        """The run fails with this."""
        self.failed = True
        with self.into.run_lock:
            for remote in self.into.lanes.values():
                remote.fail(as_error(error))
