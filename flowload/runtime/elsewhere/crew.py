"""The workers that make the lanes of a run, and what each of them has told."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from flowload.abc.stage import whole
from flowload.errors import GraphError, ProcessDied
from flowload.graph.inspect.lane_cut import CutLanes
from flowload.observe.stats import RunStats
from flowload.processes.failure import raised

from .into import Into
from .stood import WhereLanesStand
from .telling import tell
from .workers import Answer, Asked, Start, Worker

__all__ = ["LONG", "Crew", "Seat", "check_workers"]

log = logging.getLogger("flowload")

DEATHS = 4  #: of workers in a row that a run survives while none of them gives anything
PATIENCE = 5.0  #: seconds that statistics are waited for
SLOW = 30.0  #: seconds that a worker may take to begin, after which it is told
LONG = 60.0  #: seconds that a state is waited for: it may weigh gigabytes


@dataclass(eq=False)
class Seat:
    """One worker's share of the lanes, and what it was asked."""

    number: int
    lanes: tuple[int, ...]
    worker: Worker
    calls: dict[int, int] = field(default_factory=dict)  #: under way: bytes that each may bring
    made: int = 0  #: calls so far
    taken: int = 0  #: of them, those whose blocks have come
    early: dict[int, Answer] = field(default_factory=dict)  #: that overtook others
    began: bool = False
    ended: bool = False
    needs: int = 0  #: bytes that its next block takes
    saved: float = 0.0  #: when its state came last
    saving: bool = False  #: it was asked for it
    stats: RunStats | None = None  #: its last

    @property
    def turn(self) -> int:
        """Lanes."""
        return len(self.lanes)


class Crew:
    """Workers, seated; from any thread.

    Args:
        cut: the lanes, as the process that takes them has drawn them.
        start: starts a worker.
        asked: what all workers are asked alike: fields of `Asked`.
        workers: how many.
    """

    def __init__(self, cut: CutLanes, start: Start, asked: Mapping[str, Any], workers: int) -> None:
        check_workers(workers, cut)
        self.cut = cut
        self.start_worker = start
        self.asked = asked
        self.workers = workers
        self.stood = WhereLanesStand(cut)
        self.entered: Into | None = None
        self.seats: list[Seat] = []
        self.failed = False
        self.closed = False
        self.deaths = 0  # in a row, without a block
        self.replaced = 0  #: workers that died, and were
        self.last_stats: list[RunStats] = []
        self.left: dict[int, dict[str, Any]] = {}  # where lanes stood behind rounds that a reader may be at

    @property
    def into(self) -> Into:
        """The run that takes the lanes."""
        assert self.entered is not None  # noqa: S101 - it was opened
        return self.entered

    def seated(self, number: int) -> Seat:
        """A worker, started."""
        lanes = self.cut.made(number, self.workers).here
        counts = [self.into.lanes[lane].count for lane in lanes]
        first = min(count * len(lanes) + place for place, count in enumerate(counts))
        asked = Asked(
            **self.asked,
            number=number,
            workers=self.workers,
            rank=self.cut.rank,
            world=self.cut.world,
            state=self.stood.state_for(number, self.workers),
            first=first,
            round=self.into.rounds(),
        )
        return Seat(number, lanes, self.start_worker(asked), saved=monotonic())

    def first_heard(self, number: int, future: Future[Answer]) -> Any:
        """What a worker says when it has begun, or one that is started for it when it dies."""
        while True:
            seat = self.seats[number]
            try:
                rows = self.heard(seat, waited_for(seat, future))
            except ProcessDied as error:
                self.count_death(seat, error)
                self.seats[number] = self.seated(number)
                future = self.seats[number].worker.ask("begin")
            else:
                seat.began = True
                return rows

    def count_death(self, seat: Seat, error: ProcessDied) -> None:
        """A worker has died, and another is to go on for it. Raises ProcessDied where too many do."""
        seat.worker.kill()
        self.deaths += 1
        if self.deaths > DEATHS:
            raise ProcessDied(f"{self.deaths} workers died one after the other, and gave nothing: {error}")
        self.replaced += 1
        lanes = ", ".join(map(str, seat.lanes))
        log.warning("%s; another goes on with its lanes (%s)", error, lanes)

    def heard(self, seat: Seat, answer: Answer) -> Any:
        """What a worker has answered. Raises what it raised."""
        tell(answer.told, seat.worker.where)
        if answer.error is not None:
            error = raised(answer.error, 0)
            error.add_note(f"in {seat.worker.where}")
            raise error
        return answer.value

    def learnt(self, seat: Seat, future: Future[Answer], patience: float) -> bool:
        """Keep where a worker's lanes stand; False: it does not say so."""
        try:
            self.stood.learn(self.heard(seat, future.result(patience)))
        except (ProcessDied, TimeoutError):
            return False
        return True

    def state(self, rounds: int) -> dict[str, Any]:
        """Where all lanes stand behind so many rounds, as a state has it; without those unknown."""
        if self.closed:
            return self.left.get(rounds, {"shared": {}, "lanes": {}})
        for _ in range(DEATHS):
            if self.failed:
                break
            asked = [(seat, seat.worker.ask("state", rounds)) for seat in tuple(self.seats)]
            heard = [self.learnt(seat, future, LONG) for seat, future in asked]
            if all(heard):
                break
        return self.stood.behind(rounds)

    def cut_all(self) -> None:
        """Have the stages of all workers save their parts; of one that dies another begins at such a part."""
        asked = [] if self.closed else [(seat, seat.worker.ask("cut_now")) for seat in tuple(self.seats)]
        for seat, future in asked:
            with contextlib.suppress(ProcessDied, TimeoutError):
                self.heard(seat, future.result(PATIENCE))

    def stats(self) -> list[RunStats]:
        """What workers have done so far, as far as they answer."""
        if not self.closed:
            asked = [(seat, seat.worker.ask("stats")) for seat in tuple(self.seats)]
            for seat, future in asked:
                with contextlib.suppress(ProcessDied, TimeoutError):
                    seat.stats = self.heard(seat, future.result(PATIENCE)) or seat.stats
            self.last_stats = [seat.stats for seat, _ in asked if seat.stats is not None]
        return self.last_stats


def check_workers(workers: int, cut: CutLanes) -> None:
    """Raise GraphError for a number of workers that cannot share the lanes."""
    here = len(cut.here)
    if not whole(workers) or workers < 1 or here % workers:
        fit = ", ".join(str(number) for number in range(1, here + 1) if here % number == 0)
        raise GraphError(f"{here} lanes cannot be shared by {workers!r} workers; numbers that can: {fit}")


def waited_for(seat: Seat, future: Future[Answer]) -> Answer:
    """The first answer of a worker; where it takes long, that is told: a cluster may have no room for it."""
    while True:
        try:
            return future.result(SLOW)
        except TimeoutError:
            log.warning("%s has not begun after %g s: is there room for it?", seat.worker.where, SLOW)
