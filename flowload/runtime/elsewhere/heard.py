"""What the workers of a run tell: where their lanes stand, and what they have done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import Any, ClassVar

from flowload.abc.operators import State
from flowload.errors import ProcessDied
from flowload.graph.inspect.lane_cut import CutLanes
from flowload.observe.stats import RunStats
from flowload.processes.failure import raised

from .into import Into
from .seat import Seat
from .stood import WhereLanesStand
from .telling import tell
from .workers import Answer

__all__ = ["PATIENCE", "Heard"]

PATIENCE = 5.0  #: seconds that statistics are waited for, and states of workers that are to end
LONG = 60.0  #: seconds that a state is waited for: it may weigh gigabytes
ROOM = 10.0  #: seconds that a state waits for a worker that has found no room yet
TRIES = 4  #: to hear all workers, where some die


class Heard:
    """Asks workers how it goes; from any thread.

    Args:
        cut: the lanes, as the process that takes them has drawn them.
    """

    every: ClassVar[float] = 10.0  #: seconds between two states of workers that are kept for their successors

    def __init__(self, cut: CutLanes) -> None:
        self.cut = cut
        self.stood = WhereLanesStand(cut)
        self.entered: Into | None = None
        self.seats: list[Seat] = []
        self.events: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.failed = False
        self.closed = False
        self.saved_at = monotonic()  # states were asked for
        self.last_stats: list[RunStats] = []
        self.left: dict[int, dict[str, Any]] = {}  # where lanes stood behind rounds that a reader may be at

    @property
    def into(self) -> Into:
        """The run that takes the lanes."""
        assert self.entered is not None  # noqa: S101 - it was opened
        return self.entered

    @property
    def rounds(self) -> int:
        """That the reader has had whole."""
        return self.into.rounds()

    def later(self, event: Callable[[Future[Answer]], None], future: Future[Answer]) -> None:
        """Have an answer heard by the thread that does what happens."""
        self.events.put(partial(event, future))

    def heard(self, seat: Seat, answer: Answer) -> Any:
        """What a worker has answered. Raises what it raised."""
        tell(answer.told, seat.worker.where)
        if answer.error is not None:
            error = raised(answer.error, 0)
            error.add_note(f"in {seat.worker.where}")
            raise error
        return answer.value

    def learnt(self, seat: Seat, future: Future[Answer], until: float) -> State | None:
        """Keep where a worker's lanes stand; None: it does not say so in time. Raises ProcessDied."""
        try:
            state: State = self.heard(seat, future.result(max(0.0, until - monotonic())))
        except TimeoutError:
            return None
        self.stood.learn(state)
        return state

    def all_learnt(self, rounds: int, patience: float = LONG, *, begun: bool = False) -> list[State]:
        """Have all workers say where their lanes stand; those that do not in time are left out.

        Args:
            rounds: behind how many.
            patience: seconds.
            begun: others are not waited for. Else for those that are to find room, too, but not as long.

        Raises ProcessDied where one died, after all others were heard.
        """
        now, asked, found = monotonic(), list[tuple[Seat, Future[Answer], float]](), list[State]()
        for seat in tuple(self.seats):
            if seat.began or not begun:
                until = now + patience if seat.alive else min(now + patience, seat.since + ROOM)
                asked.append((seat, seat.worker.ask("state", rounds), until))
        died: ProcessDied | None = None
        for seat, future, until in asked:
            try:
                state = self.learnt(seat, future, until)
            except ProcessDied as error:
                died = error
            else:
                found += [] if state is None else [state]
        if died is not None and not begun:
            raise died
        return found

    def state(self, rounds: int) -> dict[str, Any]:
        """Where all lanes stand behind so many rounds, as a state has it; without those unknown."""
        if self.closed:
            return self.left.get(rounds, {"shared": {}, "lanes": {}})
        for _ in range(TRIES):
            if self.failed:
                break
            with contextlib.suppress(ProcessDied):  # another is started for it, and is asked
                return self.stood.behind(rounds, self.all_learnt(rounds))
        return self.stood.behind(rounds)

    def cut_all(self) -> None:
        """Have the stages of all workers save their parts; of one that dies another begins at such a part."""
        until = monotonic() + PATIENCE
        seats = () if self.closed else tuple(seat for seat in self.seats if seat.began)
        for seat, future in [(seat, seat.worker.ask("cut_now")) for seat in seats]:
            with contextlib.suppress(ProcessDied, TimeoutError):
                self.heard(seat, future.result(max(0.0, until - monotonic())))

    def stats(self) -> list[RunStats]:
        """What workers have done so far, as far as they answer."""
        if not self.closed:
            seats, until = [seat for seat in tuple(self.seats) if seat.began], monotonic() + PATIENCE
            asked = [(seat, seat.worker.ask("stats")) for seat in seats]
            for seat, future in asked:
                with contextlib.suppress(ProcessDied, TimeoutError):
                    seat.stats = self.heard(seat, future.result(max(0.0, until - monotonic()))) or seat.stats
            self.last_stats = [seat.stats for seat, _ in asked if seat.stats is not None]
        return self.last_stats

    # ---- now and then, in the thread that does what happens

    def save(self) -> None:
        """Have workers' states for their successors, now and then; all behind the same round."""
        if monotonic() - self.saved_at < self.every or any(seat.saving for seat in self.seats):
            return
        self.saved_at, rounds = monotonic(), self.rounds
        for seat in self.seats:
            if seat.began:
                seat.saving = True
                future = seat.worker.ask("state", rounds)
                future.add_done_callback(partial(self.later, partial(self.saved, seat)))

    def saved(self, seat: Seat, future: Future[Answer]) -> None:
        """A state has come."""
        seat.saving = False
        if seat in self.seats:
            with contextlib.suppress(ProcessDied):  # its calls say so, too
                self.learnt(seat, future, monotonic())

    def ask_last(self, seat: Seat) -> None:
        """Have the statistics of a worker that has given all: it may die before somebody asks for them."""
        seat.worker.ask("stats").add_done_callback(partial(self.later, partial(self.told, seat)))

    def told(self, seat: Seat, future: Future[Answer]) -> None:
        """They have come."""
        with contextlib.suppress(ProcessDied):
            seat.stats = self.heard(seat, future.result()) or seat.stats
