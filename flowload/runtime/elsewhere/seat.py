"""One worker's share of the lanes, and what it was asked."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic

from flowload.observe.stats import RunStats

from .workers import Answer, Worker

__all__ = ["Seat", "name_waiting"]

log = logging.getLogger("flowload")

SLOW = 30.0  #: seconds that a worker may take to begin, after which it is told


@dataclass(eq=False)
class Seat:
    """One worker's share of the lanes, and what it was asked."""

    number: int
    lanes: tuple[int, ...]  #: none: it waits for room
    worker: Worker
    fruitless: int = 0  #: workers before it, in a row, that died and gave nothing
    since: float = field(default_factory=monotonic)  #: it waits for room
    told: float = field(default_factory=monotonic)  #: that it waits
    calls: dict[int, int] = field(default_factory=dict)  #: under way: bytes that each may bring
    made: int = 0  #: calls so far
    taken: int = 0  #: of them, those whose blocks have come
    early: dict[int, Answer] = field(default_factory=dict)  #: that overtook others
    alive: bool = False  #: it has found room
    dead: bool = False  #: it never will
    began: bool = False
    ended: bool = False
    gave: bool = False  #: a block
    needs: int = 0  #: bytes that its next block takes
    saving: bool = False  #: it was asked for its state
    stats: RunStats | None = None  #: its last

    @property
    def turn(self) -> int:
        """Lanes."""
        return len(self.lanes)

    def answers(self, future: Future[Answer]) -> None:
        """Note that it lives, by its first answer; or that it died before."""
        self.alive = future.exception() is None
        self.dead = not self.alive


def name_waiting(seats: Iterable[Seat]) -> None:
    """Say which workers have not begun for long: a cluster may have no room for them."""
    now = monotonic()
    for seat in seats:
        if not seat.began and now - seat.told >= SLOW:
            seat.told = now
            why = "begins still" if seat.alive else "has not begun: is there room for it?"
            log.warning("%s %s (after %.0f s)", seat.worker.where, why, now - seat.since)
