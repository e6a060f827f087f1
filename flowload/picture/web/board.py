"""What a page shows: groups of runs beside each other, such as the ranks of a training."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from flowload.picture.record.tape import Kept
from flowload.picture.scene.rails import Rails
from flowload.picture.scene.rails_json import rails_json
from flowload.picture.svg.palette import both_themes

__all__ = ["Board", "Boards", "Shown"]

MOST = 8  #: boards that are kept: of more runs, those that ended first go


class Shown(Protocol):
    """A run that a page can show: of this process, of another, or of a file."""

    title: str

    @property
    def ended(self) -> bool:
        """Nothing comes any more."""

    @property
    def rails(self) -> Rails | None:
        """The graph, once the run has begun."""

    @property
    def last(self) -> int:
        """Number of the last moment."""

    def since(self, number: int) -> list[Kept[bytes]]:
        """Moments as JSON, after a number."""

    def gone(self) -> float:
        """Seconds since a run of another process answered last; 0: it is there."""

    def ask(self, what: str) -> tuple[bytes, str]:
        """`stats.json`, `dump.txt`, `trace.json`, `metrics`: the answer, and its kind. Raises LookupError."""


class Board:
    """Runs that are shown beside each other.

    Args:
        title: what they are together.
        runs: they; of ranks in their order.
        labels: what each is called where there are several.
        notes: sentences about all of them, such as what differs between two.
    """

    def __init__(
        self, title: str, runs: Sequence[Shown], labels: Sequence[str] = (), notes: Sequence[str] = ()
    ) -> None:
        self.title = title
        self.key = ""  #: what a page calls it
        self.runs = list(runs)
        self.labels = list(labels)
        self.notes = list(notes)
        self.compared = bool(notes) or bool(labels)  #: runs of their own, not ranks of one

    @property
    def begun(self) -> bool:
        """There is something to show."""
        return any(run.rails is not None for run in self.runs)

    def graph(self) -> dict[str, Any]:
        """What does not change: asked for once, and again when a run joins."""
        return {
            "title": self.title,
            "css": both_themes(),
            "notes": self.notes,
            "compared": self.compared,
            "runs": [
                {"label": self.label(k), "rails": rails_json(run.rails)} for k, run in enumerate(self.runs)
            ],
        }

    def label(self, k: int) -> str:
        """What a run is called among others."""
        return self.labels[k] if k < len(self.labels) else f"rank {k}"

    def state(self, since: Sequence[int]) -> bytes:
        """What came since a moment of each run, as JSON; moments are JSON already."""
        found = []
        for k, run in enumerate(self.runs):
            kept = run.since(since[k] if k < len(since) else 0)
            last = str(kept[-1].number if kept else run.last).encode()
            gone = json.dumps(round(run.gone(), 1)).encode()
            begun = b"true" if run.rails is not None else b"false"
            ended = b"true" if run.ended else b"false"
            body = b",".join(each.moment for each in kept)
            found.append(
                b'{"last":%b,"gone":%b,"ended":%b,"begun":%b,"moments":[%b]}'
                % (last, gone, ended, begun, body)
            )
        return b'"runs":[' + b",".join(found) + b"]"


class Boards:
    """All that a page can choose from; the last one is shown first. Any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._boards: list[Board] = []
        self._count = 0

    def add(self, board: Board) -> None:
        """One more."""
        with self._lock:
            self._count += 1
            board.key = str(self._count)
            self._boards.append(board)
            if len(self._boards) > MOST:
                over = next((b for b in self._boards if all(run.ended for run in b.runs)), None)
                if over is not None:
                    self._boards.remove(over)

    def all(self) -> list[Board]:
        """Those that there are, oldest first."""
        with self._lock:
            return list(self._boards)

    def forget(self, board: Board) -> None:
        """One less: its run never began."""
        with self._lock:
            if board in self._boards:
                self._boards.remove(board)

    def find(self, key: str) -> Board | None:
        """One by its key, or the last one that has begun."""
        boards = self.all()
        chosen = next((board for board in boards if board.key == key), None)
        begun = [board for board in boards if board.begun]
        return chosen or (begun[-1] if begun else boards[-1] if boards else None)

    def titles(self) -> list[list[str]]:
        """Key and title of each that has begun."""
        return [[board.key, board.title] for board in self.all() if board.begun]
