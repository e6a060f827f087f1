"""`fl.watch(batches)`: a page on this machine that shows a run while it runs, whoever started it."""

from __future__ import annotations

import os
import threading
from typing import Self

from flowload.observe.stats import RunStats
from flowload.picture.record.asked import answer
from flowload.picture.record.feed import Feed, Seen
from flowload.picture.record.tape import Kept
from flowload.picture.scene.rails import Rails

from .board import Board, Boards
from .peers import Neighbours
from .server import HOST, Server, serve_boards

__all__ = ["Local", "Watch", "title_of"]

TICK, IDLE = 0.5, 2.0  #: seconds between two looks, while somebody has the page open, and else
PARTING = 1.5  #: seconds in which an open page may fetch the end


class Local:
    """A run of this process on a page.

    Args:
        feed: its moments.
        stop: ends what takes a while.
    """

    def __init__(self, feed: Feed, stop: threading.Event) -> None:
        self.feed = feed
        self.title = feed.title
        self.fetched = 0  #: number of the last moment that a page has
        self._stop = stop

    @property
    def ended(self) -> bool:
        """Nothing comes any more."""
        return self.feed.ended

    @property
    def rails(self) -> Rails | None:
        """The graph, once the run has begun."""
        return self.feed.rails

    @property
    def last(self) -> int:
        """Number of the last moment."""
        return self.feed.tape.last

    def since(self, number: int) -> list[Kept[bytes]]:
        """See `Shown`."""
        found = self.feed.tape.since(number)
        if found:
            self.fetched = found[-1].number
        return found

    def gone(self) -> float:
        """It is here."""
        return 0.0

    def ask(self, what: str) -> tuple[bytes, str]:
        """See `Shown`."""
        last: RunStats | None = self.feed.past[-1] if self.feed.past else None
        return answer(self.feed.run, last, what, self._stop)


class Watch:
    """A page that is open for runs; leaving it, or the end of the process, closes it.

    Args:
        port: where it listens; 0: one that is free.
        host: only this machine, unless told otherwise.
    """

    def __init__(self, port: int = 0, host: str = HOST) -> None:
        self._boards = Boards()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._locals: list[Local] = []
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._process = os.getpid()
        self._neighbours = Neighbours.find()
        gathers = self._neighbours is None or self._neighbours.first
        self._server: Server | None = serve_boards(self._boards, port, host) if gathers else None
        self._thread = threading.Thread(target=self._look, name="flowload-watch", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What to open in a browser; empty in a rank that is shown on the page of the first one."""
        return "" if self._server is None else self._server.url

    def __repr__(self) -> str:
        return f"<flowload watch at {self.url or 'the page of the first rank'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, run: Seen, title: str) -> None:
        """Show one more run; those of other ranks of the same training appear beside it."""
        local = Local(Feed(run, title), self._stop)
        board = Board(title, [local])
        if self._neighbours is not None:
            self._neighbours.join(local, board)
        with self._lock:
            self._locals.append(local)
        self._boards.add(board)
        self._wake.set()

    def show(self, board: Board) -> None:
        """Show runs that need not be looked at, such as those of files."""
        self._boards.add(board)

    @property
    def watched(self) -> bool:
        """Somebody has the page open, here or of the first rank."""
        here = self._server is not None and self._server.watched
        return here or (self._neighbours is not None and self._neighbours.watched)

    def close(self) -> None:
        """Let an open page have the end, and leave nothing behind. May be called again."""
        if self._stop.is_set() or os.getpid() != self._process:
            return
        self.look()
        if self.watched:
            done = threading.Event()
            waits = int(PARTING / 0.05)
            while waits and any(local.fetched < local.last for local in self.all()):
                done.wait(0.05)
                waits -= 1
        self._stop.set()
        self._wake.set()
        self._thread.join()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._neighbours is not None:
            self._neighbours.close()

    def all(self) -> list[Local]:
        """The runs of this process."""
        with self._lock:
            return list(self._locals)

    def look(self) -> None:
        """See how all of them are; only one thread at a time."""
        with self._looking:
            for local in self.all():
                local.feed.look()
                if local.feed.ended:
                    self.drop(local)

    def drop(self, local: Local) -> None:
        """It needs no more looks; what never began is not shown either."""
        if local.rails is None:
            for board in self._boards.all():
                if local in board.runs:
                    self._boards.forget(board)
        with self._lock:
            if local.rails is None or len(self._locals) > 16:
                self._locals.remove(local)

    def _look(self) -> None:
        """Until it is closed; at rest while every run is over."""
        while not self._stop.is_set():
            self._wake.clear()
            self.look()
            watched = self.watched
            if self._neighbours is not None and watched:
                self._neighbours.look()
            alive = any(not local.ended for local in self.all()) or self._neighbours is not None
            self._wake.wait(None if not alive else TICK if watched else IDLE)


def title_of(run: Seen) -> str:
    """A run whose user gave it no name."""
    return " + ".join(end.node for end in run.plan.ends) or "a run"
