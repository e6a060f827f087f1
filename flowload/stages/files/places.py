"""Where a source that watches looks for files: folders, or what lies below the URLs of a store."""

from __future__ import annotations

from typing import Protocol

from .walk import GoOn

__all__ = ["Places"]


class Places(Protocol):
    """Where files are looked for: see `Search`, which looks in folders."""

    @property
    def roots(self) -> list[str]:
        """What is listened to."""

    @property
    def recursive(self) -> bool:
        """Whether that is all below it."""

    def check(self, go_on: GoOn) -> None:
        """Raise NoDataError where there is nothing to watch."""

    def find_any(self, go_on: GoOn) -> list[str]:
        """Every file that is there now, in order."""

    def wants(self, path: str) -> bool:
        """Whether a file would be found."""

    def unclear(self, path: str) -> bool:
        """Whether only a new search can say what an event means."""

    def place_of(self, path: str) -> tuple[int, str]:
        """The number of the pattern that finds a file, and its name below that."""

    def path_of(self, number: int, name: str) -> str:
        """The path of which `place_of` said this."""

    def tag(self, path: str) -> str:
        """What tells a version of it from others, where that is known without reading it."""
