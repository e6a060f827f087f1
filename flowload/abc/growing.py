"""What sources over growing data may do, and who counts what comes: powers as in `powers`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import anyio

from .operators import Block, Mark, State

__all__ = ["Arriving", "Comparing", "Counting", "Retelling", "Rooted"]


@runtime_checkable
class Retelling(Protocol):
    """A growing source that tells again what it told, as `Stage.retells` says. Buys: a run has a state."""

    def told(self, beyond: Sequence[str]) -> State:
        """What was told so far, and is about to be: blocks and marks, in order. From any thread.

        `beyond`: paths that are known to come next.
        """

    def retell(self, told: State, *, accept: bool) -> None:
        """Before the first pass: tell this first; what came meanwhile comes behind it, each once.

        `accept`: what has gone or changed since is left out; else it is a DataError that names it.
        """


@runtime_checkable
class Comparing(Protocol):
    """A source that tells again, and sees what has changed. Buys: `on_change="accept"` goes on at once."""

    def changed(self, told: State, state: State) -> tuple[Sequence[str], Sequence[str]]:
        """Paths of files that have gone or changed: of those told behind its `state`, and before it."""


@runtime_checkable
class Rooted(Protocol):
    """A source that finds files below folders. Buys: a state goes on where the folders have moved."""

    def roots(self) -> Sequence[str]:
        """The folders as they begin the paths that it gives, in the order of what it was asked for."""


@runtime_checkable
class Arriving(Protocol):
    """A growing source that knows in which order files came. Buys: `batches.new_chunks`, `batches.wait`."""

    def arrived(self) -> Sequence[str]:
        """Paths of all that was told, in order. From any thread."""

    def key(self, path: str) -> tuple[Any, ...]:
        """What files are ordered by that were there when the run began."""

    @property
    def found_first(self) -> int | None:
        """How many of them were there when the run began; None: nobody has looked yet."""

    def news(self) -> anyio.Event:
        """Set when it tells the next; asked in the event loop of the run."""

    def ahead(self) -> AsyncIterator[Block | Mark]:
        """What comes beyond that, as it comes, without telling it: for who waits and does not read."""


@runtime_checkable
class Counting(Protocol):
    """A map that finds out how many chunks there are in a file."""

    @property
    def chunk_counts(self) -> Mapping[str, int]:
        """By path, as far as they were looked at and the source grows."""

    def count_chunks(self, path: str) -> int:
        """Chunks of a file, which is looked at now; 0 where it cannot be. In any thread."""
