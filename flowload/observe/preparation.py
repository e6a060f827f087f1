"""How far something is that takes long before a run can begin: a line now and then, for whoever waits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter

__all__ = ["LOGGER", "Preparation", "level_of"]

LOGGER = "flowload.progress"  #: the command line shows it, and so does Python where nobody has set up logging
EVERY = 2.0  #: seconds between two lines, and before the first

log = logging.getLogger(LOGGER)


def level_of(logger: logging.Logger) -> int:
    """At which level something that takes long tells how far it is.

    INFO where somebody has said what to show. Where nobody has, Python shows warnings and nothing else, and a
    script or a notebook must not stand still in silence.
    """
    return logging.INFO if logger.hasHandlers() else logging.WARNING


class Preparation:
    """Told how far it is, as often as one likes; logs, the first time when it turns out to be long.

    Args:
        what: who does what, such as "games: packing".
        unit: what is counted, such as "positions".
        clock: gives seconds.
    """

    def __init__(self, what: str, unit: str, clock: Callable[[], float] = perf_counter) -> None:
        self._head = what
        self._unit = unit
        self._clock = clock
        self._began = self._last = clock()
        self._first: int | None = None
        self._told = False

    def reached(self, done: int, of: int) -> None:
        """So many are done, of so many."""
        now = self._clock()
        if self._first is None:
            # What was there when it went on from an earlier time says nothing of how fast it is.
            self._first, self._began = done, now
        over = done >= of
        if now - self._last < EVERY and not (over and self._told):
            return
        self._last, self._told = now, True
        share = done / of if of else 1.0
        log.log(
            level_of(log),
            "%s: %s of %s %s (%.0f %%)%s",
            self._head,
            f"{done:,}",
            f"{of:,}",
            self._unit,
            100 * share,
            self._left(done, of, now),
        )

    def _left(self, done: int, of: int, now: float) -> str:
        """The time that is left, where something can be said of it."""
        made = done - (self._first or 0)
        if made <= 0 or done >= of:
            return ""
        return f", {(of - done) * (now - self._began) / made:.0f} s left"
