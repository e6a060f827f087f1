"""How many workers a run has: as many as are wanted, as far as there is room for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Capacity", "NoRoom", "Room"]

#: How many workers the cluster could hold if nothing else ran there; None: that cannot be told.
Capacity: TypeAlias = Callable[[], int | None]

FIRST = 60.0  #: seconds that a worker may wait for room while all begin, which many do at once
PATIENCE = 10.0  #: the same later, when others wait for its lanes
LONGEST = 600.0  #: the same, after it was too short again and again


class NoRoom(Exception):  # noqa: N818 - no error: others take what the worker would have made
    """Some workers cannot begin: so many are to make all lanes."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.workers = workers


class Room:
    """Says how many workers there should be, and how many more are waited for.

    The lanes of a worker that finds no room go to those that live: at once where the nodes of the cluster do
    not suffice, else after a while, for others may use them. Spare workers wait for room without lanes: one
    that begins to live says that there is some, and while they wait, a cluster that can grow knows why.

    Args:
        lanes: that workers share; how many they are divides it.
        wanted: workers; None: as many as the cluster holds.
        capacity: see `Capacity`.
    """

    def __init__(self, lanes: int, wanted: int | None, capacity: Capacity | None = None) -> None:
        self.lanes = lanes
        self.wanted = wanted
        self.capacity = capacity
        self.known = lanes  # what the cluster held when it last said so
        self.patience = FIRST
        self.full: tuple[int, int] | None = None  # capacity at which so many workers were all that found room

    def fit(self, most: int) -> int:
        """The largest number of workers up to `most` that lanes allow; at least one."""
        return max(
            number
            for number in range(1, self.lanes + 1)
            if self.lanes % number == 0 and number <= max(1, most)
        )

    def held(self) -> int:
        """Workers that the cluster holds, as far as is known."""
        found = None if self.capacity is None else self.capacity()
        self.known = self.known if found is None else found
        return self.known

    def first(self) -> int:
        """How many to begin with, now."""
        return self.fit(min(self.lanes if self.wanted is None else self.wanted, self.held()))

    def begun(self) -> None:
        """All workers have begun: from now on, others wait for those that begin."""
        self.patience = PATIENCE

    def want(self, workers: int) -> int:
        """So many are wanted from now on; how many there should be at once."""
        self.wanted, self.full, self.patience = workers, None, PATIENCE
        return self.first()

    def target(self, held: int) -> int:
        """How many there would be if there was room."""
        if self.wanted is not None:
            return self.wanted
        if self.full is not None and self.full[0] == held:
            return self.full[
                1
            ]  # others use the rest; to wait for it would make a cluster grow without an end
        return self.fit(held)

    def decided(self, workers: int, alive: int, waited: float, spares: int) -> tuple[int, int]:
        """How many workers there should be, and how many spare ones beside them.

        Args:
            workers: that there are.
            alive: of them, those that have found room.
            waited: seconds that the others wait for it, at most.
            spares: spare workers that have found room.
        """
        held = self.held()
        if alive < workers and held < workers:
            return self.less(held, held)
        if 0 < alive < workers and waited >= self.patience:
            self.patience = min(2 * self.patience, LONGEST)  # a slow machine is no full one
            return self.less(alive, held)
        target = self.target(held)
        workers = max(self.fit(min(target, workers + spares)), min(workers, target))
        return workers, self.lacking(workers, held)

    def less(self, most: int, held: int) -> tuple[int, int]:
        """At most so many workers, for the others find no room."""
        workers = self.fit(most)
        self.full = held, workers
        return workers, self.lacking(workers, held)

    def lacking(self, workers: int, held: int) -> int:
        """Spare workers that are waited for."""
        return max(0, self.target(held) - workers)
