"""The lanes of a run from its workers: asked for within a bound, and again of others when workers die."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from queue import Empty
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import State
from flowload.errors import GraphError, LedgerError, ProcessDied
from flowload.graph.inspect.lane_cut import CutLanes
from flowload.runtime.capture import as_error
from flowload.runtime.lanes.rounds import Count

from .crew import BRIEF, Crew, check_workers
from .heard import PATIENCE
from .into import Into
from .lane import Arrived
from .room import Capacity
from .seat import Seat, name_waiting
from .workers import Answer, Parcels, Start

__all__ = ["RemoteLanes"]

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
        workers: how many are wanted; None: as many as there is room for.
        bytes_ahead: bytes of blocks that are on their way, or wait, at most.
        capacity: see `Room`.
    """

    def __init__(
        self,
        cut: CutLanes,
        start: Start,
        asked: Mapping[str, Any],
        workers: int | None,
        bytes_ahead: int,
        capacity: Capacity | None = None,
    ) -> None:
        super().__init__(cut, start, asked, workers, capacity)
        self.bytes_ahead = bytes_ahead
        self.thread: threading.Thread | None = None
        self.on_way = 0  # bytes that calls may bring
        self.waiting = 0  # bytes that have come, and have not gone on
        self.closing = threading.Lock()

    # ---- from threads of the reader's and the run's

    def open(self, into: Into, state: State | None, rounds: int) -> NDArray[np.int64]:
        """Start workers behind so many rounds, and wait until all have begun. Raises what they raise.

        Returns what each lane has given before, by `Count`.
        """
        with self.opening:
            self.check_open()
            self.entered = into
            self.stood.begin(state, rounds, into.output)
            for remote in into.lanes.values():
                remote.count = rounds
                remote.gone_on = self.tell_gone_on
            counts = np.zeros((len(into.lanes), len(Count)), np.int64)
            places_of = {lane: k for k, lane in enumerate(self.cut.here)}
            begun = self.all_begun()
            for seat, rows in zip(self.seats, begun, strict=True):
                for lane, row in zip(seat.lanes, rows or (), strict=bool(rows)):
                    counts[places_of[lane]] = row
            for lane, remote in into.lanes.items():
                remote.passes = int(counts[places_of[lane], Count.PASSES])
            return counts

    def go(self) -> None:
        """Ask for blocks from now on."""
        self.room.begun()
        self.thread = threading.Thread(target=self.serve, name="flowload-workers", daemon=True)
        self.thread.start()
        self.events.put(lambda: None)

    def scale(self, workers: int) -> None:
        """Have another number of workers from now on. Raises GraphError for one that lanes do not allow."""
        check_workers(workers, self.cut)
        self.check_open()
        self.events.put(lambda: self.rescale(self.room.want(workers)))

    def close(self) -> None:
        """End all workers; their last words are kept. May be called again, and while they begin."""
        with self.closing:
            if self.closed:
                return
            if self.thread is not None and not self.failed:
                self.stats()
                for rounds in self.into.last_rounds():
                    heard = self.all_learnt(rounds, PATIENCE, begun=True)
                    self.left[rounds] = self.stood.behind(rounds, heard)
            self.closed = True
            self.events.put(None)
            if self.thread is not None:
                self.thread.join()
            self.end()
            with self.opening:  # whoever begins ends now
                self.end()

    def end(self) -> None:
        """End all workers."""
        for seat in (*self.seats, *self.spares):
            seat.worker.kill()

    def tell_gone_on(self, nbytes: int) -> None:
        """There is room for so many bytes; holding the run lock."""
        self.events.put(partial(self.went_on, nbytes))

    # ---- in the thread of its own

    def serve(self) -> None:
        """Do what happens, until the run is left; now and then look around."""
        while (event := self.next_event()) is not None:
            if self.failed or self.closed:
                continue
            try:
                event()
                self.ask()
            except BaseException as error:  # noqa: BLE001 - whoever waits for a lane is told
                self.fail(error)

    def next_event(self) -> Callable[[], None] | None:
        """The next one; one that is nothing where none comes for a while."""
        try:
            return self.events.get(timeout=max(self.look, BRIEF))
        except Empty:
            return lambda: None

    def went_on(self, nbytes: int) -> None:
        """There is room for so many bytes."""
        self.waiting -= nbytes

    def look_around(self) -> None:
        """Have as many workers as there is room for; tell of those that do not begin."""
        name_waiting(self.seats)
        workers, spares = self.staff()
        if workers != self.workers:
            self.say_room(workers)
            self.rescale(workers)
        self.spares = [seat for seat in self.spares if not seat.dead]
        while len(self.spares) > spares:
            self.spares.pop().worker.kill()
        while len(self.spares) < spares:
            self.spares.append(self.started(workers + len(self.spares), workers + spares))

    def ask(self) -> None:
        """Ask for as much as there is room for: first of the worker whose lanes are furthest behind.

        What has come is copied out of what carried it at once, so calls that are under way end by themselves,
        whatever the reader does. So one of whose lanes has nothing may always ask: others wait for it.
        """
        if monotonic() - self.looked >= self.look and not all(seat.ended for seat in self.seats):
            self.look_around()
        self.save()
        for seat in sorted(self.seats, key=self.progress):
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

    def progress(self, seat: Seat) -> int:
        """Blocks of a worker's lanes that have come, or are asked for."""
        return min(self.into.lanes[lane].count for lane in seat.lanes) + len(seat.calls)

    def is_starved(self, seat: Seat) -> bool:
        """Whether one of a worker's lanes has nothing: all others wait for it."""
        return not all(self.into.lanes[lane].inbox for lane in seat.lanes)

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
            seat.gave = True
            with into.run_lock:
                remote.arrive(item)
        if parcels.needs > self.bytes_ahead:
            raise GraphError(
                f"bytes_ahead is {self.bytes_ahead:,}, and one block takes {parcels.needs:,}: give more"
            )
        seat.needs = max(seat.needs, parcels.needs)
        if parcels.ended is not None and not seat.ended:
            seat.ended = True
            self.ask_last(seat)
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
        self.seats[self.seats.index(seat)] = self.begun(seat.number, self.count_death(seat, error))
        self.looked = 0.0  # its node may have gone

    def rescale(self, workers: int) -> None:
        """Stop all workers, and begin with another number of them where the lanes stand."""
        if workers == self.workers:
            return
        self.all_learnt(self.rounds, PATIENCE, begun=True)
        self.end()
        self.workers, self.on_way, self.spares = workers, 0, []
        self.seats = []
        for number in range(workers):
            self.seats.append(self.begun(number))

    def begun(self, number: int, fruitless: int = 0) -> Seat:
        """A worker that goes on where its lanes are; it begins while others work."""
        seat = self.seated(number, fruitless)
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
