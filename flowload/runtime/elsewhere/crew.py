"""The workers that make the lanes of a run: who sits where, and who takes the place of those that die."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Any, ClassVar

from flowload.abc.operators import State
from flowload.abc.stage import whole
from flowload.errors import ClosedRun, GraphError, ProcessDied
from flowload.graph.inspect.lane_cut import CutLanes

from .heard import Heard
from .room import Capacity, NoRoom, Room
from .seat import Seat, name_waiting
from .workers import Answer, Asked, Start

__all__ = ["Crew", "check_workers"]

log = logging.getLogger("flowload")

DEATHS = 4  #: of workers in a row that a share of the lanes survives while none of them gives anything
BRIEF = 0.1  #: seconds after which it is looked whether a run that begins was left


class Crew(Heard):
    """Workers, seated, as many as there is room for.

    Args:
        cut: the lanes, as the process that takes them has drawn them.
        start: starts a worker.
        asked: what all workers are asked alike: fields of `Asked`.
        workers: how many are wanted; None: as many as there is room for.
        capacity: see `Room`.
    """

    look: ClassVar[float] = 5.0  #: seconds between two looks at how many workers there should be

    def __init__(
        self,
        cut: CutLanes,
        start: Start,
        asked: Mapping[str, Any],
        workers: int | None,
        capacity: Capacity | None = None,
    ) -> None:
        if workers is not None:
            check_workers(workers, cut)
        super().__init__(cut)
        self.start_worker = start
        self.asked = asked
        self.workers = workers or 1
        self.room = Room(len(cut.here), workers, capacity)
        self.spares: list[Seat] = []  # that wait for room
        self.replaced = 0  #: workers that died, and were
        self.looked = 0.0
        self.opening = threading.Lock()

    def seated(self, number: int, fruitless: int = 0) -> Seat:
        """A worker, started."""
        lanes = self.cut.made(number, self.workers).here
        counts = [self.into.lanes[lane].count for lane in lanes]
        first = min(count * len(lanes) + place for place, count in enumerate(counts))
        state = self.stood.state_for(number, self.workers)
        return self.started(number, self.workers, lanes, fruitless, state=state, first=first)

    def started(
        self,
        number: int,
        workers: int,
        lanes: tuple[int, ...] = (),
        fruitless: int = 0,
        *,
        state: State | None = None,
        first: int = 0,
    ) -> Seat:
        """A worker; without lanes one that waits for room."""
        asked = Asked(
            **self.asked,
            number=number,
            workers=workers,
            rank=self.cut.rank,
            world=self.cut.world,
            state=state,
            first=first,
            round=self.into.rounds(),
        )
        seat = Seat(number, lanes, self.start_worker(asked), fruitless)
        seat.worker.ask("process").add_done_callback(partial(self.lives, seat))
        return seat

    def lives(self, seat: Seat, future: Future[Answer]) -> None:
        """A worker has found room, or died; in any thread."""
        seat.answers(future)
        if not seat.lanes:
            self.looked = 0.0  # there may be room for more now
        self.events.put(lambda: None)

    def staff(self) -> tuple[int, int]:
        """How many workers there should be, and how many spare ones: see `Room.decided`."""
        self.looked = now = monotonic()
        waiting = [seat for seat in self.seats if not seat.alive]
        waited = max((now - seat.since for seat in waiting), default=0.0)
        alive = len(self.seats) - len(waiting)
        return self.room.decided(self.workers, alive, waited, sum(seat.alive for seat in self.spares))

    def all_begun(self) -> list[Any]:
        """What workers say when they have begun, or those that are started for them when they die.

        Fewer are started where some find no room. Raises what they raise, and ClosedRun.
        """
        workers = self.room.first()
        while True:
            self.workers = workers
            self.seats = []
            try:
                for number in range(workers):
                    self.seats.append(self.seated(number))
                begun = [seat.worker.ask("begin") for seat in self.seats]
                return [self.first_heard(number, future) for number, future in enumerate(begun)]
            except NoRoom as full:
                for seat in self.seats:
                    seat.worker.kill()
                workers = full.workers
                self.say_room(workers)

    def say_room(self, workers: int) -> None:
        """Tell how many make the lanes from now on."""
        told = (
            f"{workers} workers make the lanes from now on"
            if workers > 1
            else "one worker makes all lanes from now on"
        )
        if workers < self.workers and self.room.wanted not in (None, workers):
            log.warning("there is no room for %d workers: %s, more when there is room", self.workers, told)
        else:
            log.info("%s, where it was %d", told, self.workers)

    def first_heard(self, number: int, future: Future[Answer]) -> Any:
        """What a worker says when it has begun, or one that is started for it when it dies."""
        while True:
            seat = self.seats[number]
            try:
                rows = self.heard(seat, self.waited_for(future))
            except ProcessDied as error:
                self.check_open()
                self.seats[number] = self.seated(number, self.count_death(seat, error))
                future = self.seats[number].worker.ask("begin")
            else:
                seat.began = True
                return rows

    def waited_for(self, future: Future[Answer]) -> Answer:
        """The first answer of a worker. Raises NoRoom where it finds none, and ClosedRun."""
        while True:
            self.check_open()
            try:
                return future.result(BRIEF)
            except TimeoutError:
                if monotonic() - self.looked >= self.look:
                    name_waiting(self.seats)
                    if (workers := self.staff()[0]) < self.workers:
                        raise NoRoom(workers) from None

    def check_open(self) -> None:
        """Raise ClosedRun once the run is left."""
        if self.closed:
            raise ClosedRun("this run was left, or is over")

    def count_death(self, seat: Seat, error: ProcessDied) -> int:
        """A worker has died, and another is to go on for it. Raises ProcessDied where too many do.

        Returns how many have died in its place, one after the other, and gave nothing.
        """
        seat.worker.kill()
        deaths = 1 if seat.gave else seat.fruitless + 1
        if deaths > DEATHS:
            raise ProcessDied(f"{deaths} workers died one after the other, and gave nothing: {error}")
        self.replaced += 1
        lanes = ", ".join(map(str, seat.lanes))
        log.warning("%s; another goes on with its lanes (%s)", error, lanes)
        return deaths


def check_workers(workers: int, cut: CutLanes) -> None:
    """Raise GraphError for a number of workers that cannot share the lanes."""
    here = len(cut.here)
    if not whole(workers) or workers < 1 or here % workers:
        fit = ", ".join(str(number) for number in range(1, here + 1) if here % number == 0)
        raise GraphError(f"{here} lanes cannot be shared by {workers!r} workers; numbers that can: {fit}")
