"""Begins what is made of batches before their reader asks for them: copies to a device."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from flowload.abc.powers import Finish

from .frames import Array, Arrays, Value

__all__ = ["TAKEN", "Ahead", "Came"]

TAKEN = object()  #: what was begun of a batch that the reader has


@dataclass(slots=True, eq=False)
class Came:
    """A batch that nobody has taken yet."""

    entry: Arrays | Value
    layout: tuple[Array, ...]
    first: int  #: number of its first span
    lent: list[Any] | None = None  #: its memory, which is in use until nobody refers to it
    shown: Any = None  #: what it is, once somebody has looked
    begun: Any = None  #: what was begun of it


class Ahead:
    """Batches that came, begun in order: in the reader's thread as far as nothing has to be waited for.

    The rest is begun by a thread of its own, when what there was no room for is let go. So who takes small
    batches meets no other thread, and large ones are copied while the reader works on those before.

    Args:
        finish: what says that there may be more room.
        begin: begins a batch: see `Finish.begin` for `due` and `waits`; None: there is no room.
    """

    def __init__(self, finish: Finish, begin: Callable[[Came, bool, bool], Any]) -> None:
        self.begin = begin
        self.pending: deque[Came] = deque()  # in order; some may be begun, or taken
        self.lock = threading.Lock()
        self.lacking = False  # room, for the first of them
        # Whether to go on; filled in any thread, also in finalizers.
        self.news: SimpleQueue[bool] = SimpleQueue()
        self.thread: threading.Thread | None = None
        finish.watch(self.moved)

    def due(self, came: Came) -> Any:
        """What was begun of a batch that the reader takes now. Raises what beginning it raises."""
        with self.lock:
            if came.begun is None:
                came.begun = self.begin(came, True, True)
            begun, came.shown = came.begun, None
        self.go_on()
        return begun

    def go_on(self, *, waits: bool = False) -> None:
        """Begin as many as there is room for; another thread that is at it does so.

        Args:
            waits: for room that will come by itself; else that is left to the thread.
        """
        if not self.pending or not self.lock.acquire(blocking=waits):
            return
        try:
            while self.pending:
                came = self.pending[0]
                if came.begun is None:
                    self.lacking = True
                    try:
                        came.begun = self.begin(came, False, waits)
                    except Exception:  # noqa: BLE001 - it is tried again, and raised, when the batch is due
                        return
                    if came.begun is None:
                        if not waits:
                            self.wake()
                        return
                    came.shown, self.lacking = None, False
                self.pending.popleft()
        finally:
            self.lock.release()

    def wake(self) -> None:
        """Have the thread go on."""
        if self.thread is None:
            self.thread = threading.Thread(target=self.run, name="flowload-ahead", daemon=True)
            self.thread.start()
        self.news.put(True)

    def moved(self) -> None:
        """There may be more room. Takes no lock: it may be said in a garbage collection."""
        if self.lacking:
            self.news.put(True)

    def run(self) -> None:
        """The thread."""
        while self.news.get():
            self.go_on(waits=True)

    def close(self) -> None:
        """Nothing is begun any more; what was begun, and not taken, is let go."""
        self.news.put(False)  # a thread that somebody starts meanwhile finds that, too
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join()
        with self.lock:
            while self.pending:
                came = self.pending.popleft()
                came.begun, came.shown = TAKEN, None
