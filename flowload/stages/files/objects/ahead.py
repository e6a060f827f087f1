"""Objects that are brought to a cache before anybody asks for them, in the order in which they will be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from flowload.errors import ClosedRun, FlowloadError
from flowload.files.objects.bring import bring, was_opened
from flowload.files.objects.place import Place
from flowload.files.objects.traffic import TRAFFIC
from flowload.files.objects.trouble import Budget
from flowload.stages.files.walk import GoOn

__all__ = ["ReadAhead"]

AT_ONCE = 8  #: objects on their way
LOOK = 0.05  #: seconds between questions whether there is room, and whether anybody waits
AHEAD = 4  #: one part of the cache in so many may be there that nobody has opened yet
#: Seconds in which a failing object is tried here: whoever needs it tries as long as it is worth.
SECONDS = 5.0


class ReadAhead:
    """Threads that bring objects; begun with the first of them, gone when it is closed.

    Args:
        room: bytes of the cache.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.order: Sequence[str] = ()  #: paths in the cache
        self.next = 0  #: place of the first that was not sent for
        self.coming: set[str] = set()
        self.ahead: dict[str, int] = {}  #: bytes by path of what was sent for, and may not have been opened
        self.changed = threading.Condition()
        self.turn = threading.Lock()  #: of the one thread that waits for room
        self.left = False  #: nobody waits for objects any more
        self.threads: list[threading.Thread] = []
        self.brought = 0
        self.nbytes = 0

    def begin(self, order: Sequence[str], place: int = 0) -> None:
        """Send for objects from a place on, as far as there is room for what nobody opened."""
        with self.changed:
            self.order, self.next = order, place
            self.changed.notify_all()
        while len(self.threads) < min(AT_ONCE, len(order)):
            name = f"flowload-objects-{len(self.threads)}"
            self.threads.append(threading.Thread(target=self.work, name=name, daemon=True))
            self.threads[-1].start()

    def arrive(self, place: int, go_on: GoOn) -> None:
        """Wait until an object is there, unless there is no room for it now. Errors are told to who opens it.

        Args:
            place: of the object in the order.
            go_on: asked meanwhile; may raise.
        """
        with TRAFFIC.awaited():
            self.wait_for(place, go_on)

    def wait_for(self, place: int, go_on: GoOn) -> None:
        """See `arrive`."""
        path = self.order[place]
        while True:
            with self.changed:
                if path not in self.coming:
                    if self.next > place:
                        return
                    if not self.fits(self.order[self.next]):
                        self.next = place + 1  # whoever opens it brings it
                        return
                self.changed.wait(LOOK)
            go_on()

    def fits(self, path: str) -> bool:
        """Whether there is room for one more that nobody has opened; called with the lock."""
        for there in [one for one in self.ahead if one not in self.coming and was_opened(one)]:
            del self.ahead[there]
        return sum(self.ahead.values()) + Place.of(path).version.size <= self.room // AHEAD

    def work(self) -> None:
        """Bring one object after the other."""
        while (path := self.take()) is not None:
            done = False
            try:
                with suppress(FlowloadError):
                    done = bring(path, self.pause, budget=Budget(seconds=SECONDS))
            finally:
                with self.changed:
                    self.coming.discard(path)
                    if done:
                        self.brought += 1
                        self.nbytes += Place.of(path).version.size
                    self.changed.notify_all()

    def take(self) -> str | None:
        """The next object that there is room for; None: nobody waits any more."""
        with self.turn, self.changed:
            while not self.left:
                waiting = self.next < len(self.order)
                if waiting and self.fits(self.order[self.next]):
                    path = self.order[self.next]
                    self.next += 1
                    self.ahead[path] = Place.of(path).version.size
                    self.coming.add(path)
                    self.changed.notify_all()
                    return path
                self.changed.wait(LOOK if waiting else None)
        return None

    def pause(self, seconds: float) -> None:
        """See `Wait`. Raises ClosedRun."""
        with self.changed:
            if seconds and not self.left:
                self.changed.wait_for(lambda: self.left, seconds)
            if self.left:
                raise ClosedRun("the run was left while an object was on its way")

    def gauges(self) -> dict[str, float]:
        """See `flowload.observe.stats`."""
        return {
            "objects_brought": self.brought,
            "bytes_brought": self.nbytes,
            "objects_coming": len(self.coming),
        }

    def stop(self) -> None:
        """Give up what is on its way."""
        with self.changed:
            self.left = True
            self.changed.notify_all()

    def close(self) -> None:
        """Give it up, and wait for the threads."""
        self.stop()
        for thread in self.threads:
            thread.join()
