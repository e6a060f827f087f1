"""What is asked of a store of objects, of whatever kind, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from .place import Version, digest_of

__all__ = ["LOOK", "PIECE", "Ask", "Found", "Store", "Take", "Wait"]

#: Waits for so many seconds; raises where nobody waits any more.
Wait = Callable[[float], None]

PIECE = 1 << 20  #: bytes of an answer that are waited for at least
LOOK = 0.05  #: seconds between questions whether anybody waits for an answer


class Found(NamedTuple):
    """An object that a store has."""

    key: str  #: its path below the store's URL
    tag: str  #: its ETag; where a store has none, its version, or when it was written
    size: int  #: bytes

    @property
    def version(self) -> Version:
        """What tells it from what it was."""
        return Version(digest_of(self.tag), self.size)


class Take(Protocol):
    """What is done with an answer."""

    def begin(self, found: Found) -> None:
        """Told what it is of, before any of its bytes."""

    def piece(self, data: bytes) -> None:
        """Given its bytes, one piece after the other."""


@dataclass
class Ask:
    """A request for bytes of an object, and its answer; see `Take`.

    `start` below 0: so many from the end; `stop` None: to the end. Both 0: only whether it is there.
    """

    key: str
    start: int = 0
    stop: int | None = None
    found: Found | None = None  #: None: there was no answer yet
    failed: Exception | None = None
    pieces: list[bytes] = field(default_factory=list)

    def begin(self, found: Found) -> None:
        """See `Take`."""
        self.found, self.pieces = found, []

    def piece(self, data: bytes) -> None:
        """See `Take`."""
        self.pieces.append(data)

    @property
    def data(self) -> bytes:
        """The bytes that have come, in one piece."""
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)

    @property
    def whole(self) -> bool:
        """All came that was asked for, as far as there is so much."""
        size = 0 if self.found is None else self.found.size
        start = max(0, size + self.start) if self.start < 0 else self.start
        stop = size if self.stop is None else min(self.stop, size)
        return len(self.data) == max(0, stop - start)


class Store(Protocol):
    """What is below one URL. Everything raises what its library raises; see `trouble`.

    `wait` is asked with 0 seconds all the time; what it raises gives the request up at once.
    """

    def listing(self, wait: Wait, *, deep: bool) -> list[Found]:
        """What is below it; not `deep`: not what is in folders of it."""

    def head(self, key: str, wait: Wait) -> Found:
        """One object. Raises FileNotFoundError."""

    def get(self, key: str, begin: int, end: int | None, take: Take, wait: Wait) -> None:
        """Give the bytes of an object from `begin` to `end`, or to its last. Raises FileNotFoundError."""

    def get_all(self, asks: Sequence[Ask], wait: Wait) -> None:
        """Make several requests, as many at once as the library can; what goes wrong is noted in each."""

    def put(self, key: str, data: bytes, wait: Wait) -> None:
        """Write an object, as a whole or not at all."""
