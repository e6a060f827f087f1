"""Which files of a growing folder are ready to be told: the decision, without any waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from .glob import natural
from .writers import FileState, WriterState

__all__ = ["ReadyFiles"]

log = logging.getLogger("flowload")

Probe: TypeAlias = Callable[[str], FileState | None]


@dataclass(frozen=True, slots=True)
class Sighting:
    """Size and time of a file when it was last looked at, and since when they are these."""

    size: int
    mtime_ns: int
    since: float


class ReadyFiles:
    """Knows what was told and what is still being written.

    A path is told once: a later change is logged and ignored, since chunks of the file may be in use.
    A file that is deleted before it was told is forgotten.

    Args:
        settle: seconds without a change after which a file is complete where the kernel does not tell.
    """

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self.told: dict[str, tuple[int, int] | None] = {}  #: size and mtime; None: a change was logged
        self.waiting: dict[str, Sighting | None] = {}

    def feed(self, paths: Iterable[str]) -> None:
        """Take paths of files that exist, appeared or changed."""
        for path in paths:
            if path not in self.told:
                self.waiting.setdefault(path, None)

    def changed(self, paths: Iterable[str], probe: Probe) -> None:
        """Take paths that something happened to; says once of each file that it is not what was told."""
        for path in paths:
            before = self.told.get(path)
            look = probe(path) if before else None
            if look is not None and (look.size, look.mtime_ns) != before:
                self.told[path] = None
                log.info("%s: changed after it was found complete; what was read of it is not renewed", path)

    def ready(self, probe: Probe, now: float) -> list[str]:
        """Paths that are complete by now, in natural order; each is given once.

        Args:
            probe: looks at a file.
            now: seconds, from any clock that only rises.
        """
        ready = []
        for path in list(self.waiting):
            look = probe(path)
            if look is None:
                del self.waiting[path]
            elif self.is_complete(path, look, now):
                del self.waiting[path]
                self.told[path] = look.size, look.mtime_ns
                ready.append(path)
        return sorted(ready, key=natural)

    def is_complete(self, path: str, look: FileState, now: float) -> bool:
        """Whether a waiting file is complete; keeps what it looked like."""
        if look.verdict is not WriterState.UNSURE:
            self.waiting[path] = None  # a writer was seen: stillness begins anew
            return look.verdict is WriterState.COMPLETE
        seen = self.waiting[path]
        if seen is None or (seen.size, seen.mtime_ns) != (look.size, look.mtime_ns):
            seen = self.waiting[path] = Sighting(look.size, look.mtime_ns, now)
        return now - seen.since >= self.settle
