"""How much page-locked memory batches for a card take: so many places, and no batch is begun without one.

Else it depended on threads and queues how far is written ahead: up to three times what anybody needs. With
places it is all of them whenever the reader is slower than the run, and `graph.memory()` says how many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from flowload.abc.operators import Call, Map, Setting
from flowload.abc.powers import Gauged
from flowload.graph import Stage

__all__ = [
    "UNDER_WAY",
    "InPlaces",
    "Place",
    "Places",
    "ahead_on_card",
    "copies_ahead",
    "goes_to_card",
    "of_batches",
    "of_windows",
    "workers_between",
]

UNDER_WAY = 2  #: copies that are queued and not done: what they read has a place
MANY, SMALL = 32, 4 << 20  #: places of small batches: so many, where they take no more bytes than that


def of_batches(workers: int, nbytes: int) -> int:
    """Places of batches: those being written, one that is done, and those that copies read.

    Args:
        workers: batches that are written at once, and those that maps behind work on at once.
        nbytes: of a batch; 0: unknown.
    """
    small = min(MANY, SMALL // nbytes) if nbytes else 0
    return max(workers + 1 + UNDER_WAY, small)


def of_windows(workers: int, pieces: int) -> int:
    """Places of windows of so many pieces: those that all workers read from, and one that is complete.

    A copy of a window is waited for: a place more would take gigabytes, and the next one is read meanwhile.
    """
    return -(-workers // pieces) + 1


def goes_to_card(setting: Setting) -> bool:
    """Whether the memory of batches is page-locked: the next `to_device` copies to a card."""
    for stage in setting.downstream:
        if (page_locks := getattr(stage, "page_locks", None)) is not None:
            return bool(page_locks)
    return False


def ahead_on_card(setting: Setting, prefetch: int) -> int:
    """Windows that lie on the card beside the one in use: as many as the next `to_device` says.

    Args:
        prefetch: of the windows, which holds where that says nothing.
    """
    for stage in setting.downstream:
        if hasattr(stage, "page_locks"):
            told: int | None = stage.prefetch
            return prefetch if told is None else told
    return prefetch


def copies_ahead(
    setting: Setting, prefetch: int | None, windows: int | None
) -> tuple[int | None, int | None]:
    """Batches on a card beside the one in use, and windows that these share: None where they share none.

    Args:
        setting: of `to_device`.
        prefetch: what the user says of it.
        windows: the same, or what the windows say.
    """
    words = [stage.word for stage in setting.upstream]
    if "read_windows" in words and "sample_within" in words:  # which leaves batches of indices
        return prefetch or None, 1 if windows is None else windows
    return windows, None


def workers_between(setting: Setting) -> int:
    """Blocks that stages between this one and the card work on at once, and may keep so long."""
    count = 0
    for stage in setting.downstream:
        if hasattr(stage, "page_locks"):
            break
        count += workers_of(stage, setting) if stage.word in ("map", "filter") else 0
    return count


def workers_of(stage: Stage, setting: Setting) -> int:
    """Calls at once of a stage."""
    return stage.workers or setting.cpus


class Place:
    """One place; it is free again when nobody refers to this any more: neither a call nor a lease."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.relieved = places.relieved

    def __del__(self) -> None:
        self.places.returned.append(self.relieved)  # takes no lock: this may run inside anything
        self.places.moved()


class Places:
    """Some places; all but `Place` itself inside the run's lock."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0
        self.relieved = 0  #: times that the reader kept them: those are not counted any more
        self.returned: deque[int] = deque()
        self.moved: Callable[[], None] = nothing

    def room(self) -> bool:
        """Whether one is free."""
        while self.returned:
            self.taken -= self.returned.popleft() == self.relieved
        return self.taken < self.most

    def take(self) -> Place:
        """Take one."""
        self.taken += 1
        return Place(self)

    def relieve(self) -> None:
        """Those that are taken are not counted any more."""
        self.relieved += 1
        self.taken = 0


def nothing() -> None:
    """Nobody waits."""


class InPlaces:
    """A paced map around another: each call takes a place, which its leases keep.

    Args:
        inner: it.
        places: as long as nobody knows how large what it gives is.
        known: places, when somebody does; told the bytes of the first block.
    """

    def __init__(self, inner: Map, places: int, known: Callable[[int], int] | None = None) -> None:
        self.inner = inner
        self.places = Places(places)
        self.known = known
        self.begun: deque[Place] = deque()

    def room(self, block: Any) -> bool:  # noqa: ARG002 - all take one
        """See `Paced`."""
        return self.places.room()

    def began(self, block: Any) -> None:  # noqa: ARG002
        """See `Paced`."""
        self.begun.append(self.places.take())

    def watch(self, moved: Callable[[], None]) -> None:
        """See `Paced`."""
        self.places.moved = moved

    def relieve(self) -> None:
        """See `Paced`."""
        self.places.relieve()

    def apply(self, block: Any, call: Call) -> Any:
        """What the map makes of it. Outside of a run nobody says that it begins, and it takes no place."""
        if self.begun:
            call.keep(self.begun.popleft())
        made = self.inner.apply(block, call)
        if self.known is not None and made is not None:
            self.places.most, self.known = self.known(made.nbytes), None  # type: ignore[union-attr]  # it is no coroutine
            self.places.moved()
        return made

    def gauges(self) -> Any:
        """See `Gauged`."""
        return self.inner.gauges() if isinstance(self.inner, Gauged) else {}

    def close(self) -> None:
        """Nobody waits any more."""
        self.places.moved = nothing
        self.begun.clear()
