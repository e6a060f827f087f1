"""Looks at a run twice a second while it is entered: for pictures and recordings."""

from __future__ import annotations

import json
import threading
from typing import Self

from flowload.picture.scene.moment import Moment

from .feed import Feed, Seen

__all__ = ["Sampler", "running"]

TICK = 0.5  #: seconds


class Sampler:
    """While inside, the moments of a run are kept; at the end one more, of how it ended.

    Args:
        run: it may begin later; enter the sampler outside of the run, to see its end.
        title: what the run is called.
    """

    def __init__(self, run: Seen, title: str) -> None:
        self.feed = Feed(run, title)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._look, name="flowload-sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()
        self.feed.look()

    def moments(self) -> list[Moment]:
        """All that are kept."""
        return [json.loads(raw) for raw in self.feed.tape.moments()]

    def looked(self) -> None:
        """Called after each look, in the sampler's thread."""

    def _look(self) -> None:
        while not self._left.wait(TICK):
            self.feed.look()
            self.looked()


def running(moments: list[Moment]) -> list[Moment]:
    """The moments up to the last one at which the run went on: afterwards its queues are empty."""
    last = next((k for k in range(len(moments) - 1, -1, -1) if moments[k]["say"]["state"] == ""), None)
    return moments if last is None else moments[: last + 1]
